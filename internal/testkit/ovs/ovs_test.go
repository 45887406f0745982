package ovs

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func frame(last byte) []byte {
	f := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, make([]byte, 50)...)
	f[len(f)-1] = last
	return f
}

func TestFrameGoesFromPortToPort(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.AddBridge("br-int")
	if got := s.AddPort("br-int", "p1", "iface-id=one", "attached-mac=02:00:00:00:00:01"); got != "1" {
		t.Errorf("OpenFlow port %q", got)
	}
	s.AddPort("br-int", "p2")
	s.Ofctl("add-flow", "br-int", "in_port=p1,actions=output:p2")

	s.Inject("p1", frame(1))
	s.Settle()
	if got := s.Sent("p2"); len(got) != 1 || !bytes.Equal(got[0], frame(1)) {
		t.Fatalf("after Settle: %x", got)
	}
	s.Inject("p1", frame(2))
	any := func([]byte) bool { return true }
	if got := s.WaitSent("p2", any); !bytes.Equal(got, frame(1)) {
		t.Errorf("first: %x", got)
	}
	if got := s.WaitSent("p2", any); !bytes.Equal(got, frame(2)) {
		t.Errorf("second: %x", got)
	}
	s.Forget("p2")
	s.Inject("p2", frame(3)) // no flow: secure
	s.Settle()
	if got := s.Sent("p1"); len(got) != 0 {
		t.Errorf("a frame without a flow went out: %x", got)
	}
	if got := s.Sent("p2"); len(got) != 0 {
		t.Errorf("after Forget: %x", got)
	}
	if got := s.Vsctl("get", "interface", "p1", "external_ids:iface-id"); strings.TrimSpace(got) != "one" {
		t.Errorf("iface-id %q", got)
	}
}

func TestDaemonsComeBackAfterACrash(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.AddBridge("br-int")
	s.AddPort("br-int", "p1")
	s.AddPort("br-int", "p2")

	before := s.VswitchdPID()
	s.KillVswitchd()
	if s.VswitchdPID() != 0 || syscall.Kill(before, 0) == nil {
		t.Fatal("ovs-vswitchd lives on after KillVswitchd")
	}
	s.StartVswitchd()
	s.KillOVSDB()
	s.StartOVSDB()
	s.Vsctl("set", "bridge", "br-int", "other_config:x=y") // waits for ovs-vswitchd
	s.Ofctl("add-flow", "br-int", "actions=output:p2")
	s.Inject("p1", frame(7))
	s.WaitSent("p2", func(f []byte) bool { return bytes.Equal(f, frame(7)) })
}

// TestMgmtSocketSpeaksOpenFlow asks by the path that Mgmt names.
func TestMgmtSocketSpeaksOpenFlow(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.AddBridge("br-x", "set", "bridge", "br-x", "other_config:datapath-id=00000000000000ab")
	for _, v := range []string{"OpenFlow10", "OpenFlow13", "OpenFlow14", "OpenFlow15"} {
		if got := s.Ofctl("-O", v, "show", "unix:"+s.Mgmt("br-x")); !strings.Contains(got, "dpid:00000000000000ab") {
			t.Errorf("%s: %s", v, got)
		}
	}
}

// TestDaemonsDieWithACrashedTest runs this test's binary once more as a test
// that starts a switch and is then killed.
func TestDaemonsDieWithACrashedTest(t *testing.T) {
	if dir := os.Getenv("OVS_CRASH_TEST_DIR"); dir != "" {
		s := Start(t)
		pids := strconv.Itoa(s.VswitchdPID()) + " " + strconv.Itoa(s.OVSDBPID()) + " " + s.Dir()
		if err := os.WriteFile(filepath.Join(dir, "pids"), []byte(pids), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	t.Parallel()
	Start(t) // skips where there is no Open vSwitch
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestDaemonsDieWithACrashedTest$")
	cmd.Env = append(os.Environ(), "OVS_CRASH_TEST_DIR="+dir)
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Fatalf("the inner test was not killed: %s", out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(text))
	t.Cleanup(func() { _ = os.RemoveAll(f[2]) })
	for _, p := range f[:2] {
		pid, err := strconv.Atoi(p)
		if err != nil || pid == 0 {
			t.Fatalf("process number %q", p)
		}
		waitGone(t, pid)
	}
}

func waitGone(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(Deadline)
	for {
		// A killed orphan may stay a zombie until its new parent looks.
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("process %d outlives the test: %s", pid, stat)
		}
	}
}

// TestNoDecisionIsLeft wakes the revalidators each time, so that they look at what shall be forgotten.
func TestNoDecisionIsLeft(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.AddBridge("br")
	s.AddPort("br", "p1")
	s.AddPort("br", "p2")
	s.Ofctl("add-flow", "br", "actions=move:eth_src->xxreg0[0..47],output:p2") // a decision for each source
	const sources = 90                                                         // a dummy port has 100 frames wait
	frames := []string{"p1"}
	for i := range byte(sources) {
		f := frame(i)
		f[11] = i
		frames = append(frames, hex.EncodeToString(f))
	}
	for round := range 50 {
		s.Appctl("netdev-dummy/receive", frames...)
		s.WaitSent("p2", func(f []byte) bool { return f[len(f)-1] == sources-1 })
		if n := strings.Count(s.Appctl("dpctl/dump-flows"), "recirc_id"); n != sources {
			t.Fatalf("the datapath has cached %d decisions, want %d", n, sources)
		}
		s.Appctl("fdb/add", "br", "p1", "0", fmt.Sprintf("02:00:00:00:01:%02x", round))
		s.ForgetDecisions()
		if left := s.Appctl("dpctl/dump-flows"); left != "" {
			t.Fatalf("round %d: decisions are left:\n%s", round, left)
		}
	}
	if got := s.Ofctl("dump-flows", "br"); !strings.Contains(got, fmt.Sprintf("n_packets=%d,", 50*sources)) {
		t.Errorf("packets were not counted: %s", got)
	}
}

func TestCaptureWaitsForWholeRecords(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.AddBridge("br")
	s.AddPort("br", "p1")
	s.AddPort("br", "p2")
	s.Ofctl("add-flow", "br", "actions=output:p2")
	s.Inject("p1", frame(1))
	s.Inject("p1", frame(2))
	s.Settle()
	whole, err := os.ReadFile(s.pcap("p2"))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		path := filepath.Join(t.TempDir(), "cut")
		c := &capture{path: path}
		for _, part := range [][]byte{whole[:cut], whole} {
			if err := os.WriteFile(path, part, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := c.read(); err != nil {
				t.Fatal(err)
			}
		}
		if len(c.frames) != 2 || !bytes.Equal(c.frames[0], frame(1)) || !bytes.Equal(c.frames[1], frame(2)) {
			t.Fatalf("cut at %d: %x", cut, c.frames)
		}
	}
}

func BenchmarkBoot(b *testing.B) {
	for b.Loop() {
		s := Start(b)
		s.AddBridge("br-int")
		s.core.KillVswitchd()
		s.core.KillOVSDB()
	}
}
