// Package install shows that tools/install-packages keeps its promises: with programs in the place of
// Debian's, since the real ones would change this host; make check-install runs the real ones in a
// chroot.
package install

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// place is a host with a policy-rc.d of its own and without any package but those that it is said to have.
type place struct {
	folder string
	policy string
}

// newPlace makes a host on which apt-get does what the script says, after it has noted its arguments
// and what the policy was at that moment.
func newPlace(t *testing.T, apt string, have ...string) place {
	t.Helper()
	p := place{folder: t.TempDir()}
	p.policy = filepath.Join(p.folder, "policy-rc.d")
	p.program(t, "id", "echo 0")
	p.program(t, "dpkg-query", `for last; do :; done
case " `+strings.Join(have, " ")+` " in *" $last "*) printf installed ;; *) exit 1 ;; esac`)
	p.program(t, "apt-get", `echo "$*" >>"$PLACE/asked"
"$POLICY_RC_D" anything start; echo $? >>"$PLACE/policy-said"
`+apt)
	return p
}

func (p place) program(t *testing.T, name, text string) {
	t.Helper()
	write(t, filepath.Join(p.folder, "bin", name), "#!/bin/bash\n"+text+"\n")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// read returns a file of the place, or "" if it does not exist.
func (p place) read(name string) string {
	data, _ := os.ReadFile(filepath.Join(p.folder, name))
	return string(data)
}

func (p place) install(t *testing.T, purpose string) (out string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "../../tools/install-packages", purpose)
	command.Env = append(os.Environ(), "PLACE="+p.folder, "POLICY_RC_D="+p.policy, "TMPDIR="+p.folder,
		"PATH="+filepath.Join(p.folder, "bin")+":"+os.Getenv("PATH"))
	output, err := command.CombinedOutput()
	return string(output), err
}

// packages lists what tools/packages.txt says that a purpose needs.
func packages(t *testing.T, purpose string) []string {
	t.Helper()
	data, err := os.ReadFile("../../tools/packages.txt")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		words := strings.Fields(line)
		if len(words) > 2 && words[0] != "#" && strings.Contains(","+words[1]+",", ","+purpose+",") {
			names = append(names, words[0])
		}
	}
	return names
}

func TestNothingIsDoneWhenNothingIsMissing(t *testing.T) {
	p := newPlace(t, "", packages(t, "demo")...)
	if out, err := p.install(t, "demo"); err != nil || out != "" || p.read("asked") != "" {
		t.Errorf("said %q, asked apt-get for %q: %v", out, p.read("asked"), err)
	}
}

func TestWhatIsMissingIsInstalledAndSaidAndNothingStarts(t *testing.T) {
	demo := packages(t, "demo")
	p := newPlace(t, "", demo[2:]...)
	out, err := p.install(t, "demo")
	if err != nil || !strings.Contains(out, demo[0]+" "+demo[1]+"\n") {
		t.Errorf("said %q: %v", out, err)
	}
	if asked := p.read("asked"); !strings.HasSuffix(asked, "install --no-install-recommends "+demo[0]+" "+demo[1]+"\n") {
		t.Errorf("asked apt-get for %q", asked)
	}
	if said := p.read("policy-said"); said != "101\n101\n" {
		t.Errorf("the policy said %q while packages were installed", said)
	}
	if p.read("policy-rc.d") != "" {
		t.Error("the policy is left behind")
	}
}

func TestAHostsOwnPolicyIsPutBackEvenAfterAFailure(t *testing.T) {
	const own = "#!/bin/sh\nexit 0\n"
	for name, apt := range map[string]string{
		"success": "", "failure": "exit 100", "ended": "kill -TERM $PPID; sleep 1; exit 100",
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, apt)
			write(t, p.policy, own)
			out, err := p.install(t, "demo")
			if (err == nil) != (apt == "") {
				t.Errorf("said %q: %v", out, err)
			}
			if said := p.read("policy-said"); !strings.HasPrefix(said, "101\n") {
				t.Errorf("the policy said %q while packages were installed", said)
			}
			if p.read("policy-rc.d") != own || p.read("policy-rc.d.before-dragonflow") != "" {
				t.Errorf("the host's policy is now %q", p.read("policy-rc.d"))
			}
		})
	}
}

func TestWhatAKilledInstallationLeftIsPutRight(t *testing.T) {
	const own = "#!/bin/sh\nexit 0\n"
	p := newPlace(t, "kill -KILL $PPID; exit 1")
	write(t, p.policy, own)
	if _, err := p.install(t, "demo"); err == nil || p.read("policy-rc.d") == own {
		t.Fatal("was not killed")
	}
	p.program(t, "apt-get", "")
	if out, err := p.install(t, "demo"); err != nil || p.read("policy-rc.d") != own {
		t.Errorf("the host's policy is now %q: %v, %s", p.read("policy-rc.d"), err, out)
	}
}

func TestAPurposeThatNobodyListsIsRefused(t *testing.T) {
	p := newPlace(t, "")
	if out, err := p.install(t, "nothing"); err == nil || !strings.Contains(out, "nothing is listed") {
		t.Errorf("said %q: %v", out, err)
	}
}
