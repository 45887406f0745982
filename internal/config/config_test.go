package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the generated pages anew")

// load reads the settings of a controller from a file's text, an environment and arguments.
func load(t *testing.T, file string, environ []string, args ...string) (*Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	c := Default()
	flags := pflag.NewFlagSet("controller", pflag.ContinueOnError)
	c.Bind(flags, &c.Process, &c.Database, &c.Chassis)
	if err := flags.Parse(append([]string{"--config", path}, args...)); err != nil {
		return nil, err
	}
	return c, c.Load(flags, environ)
}

func TestFlagsBeatEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	file := "chassis: from-file\ndb-prefix: from-file\nbridge: from-file\n"
	environ := []string{"HOME=/", "DRAGONFLOW_DB_PREFIX=from-env", "DRAGONFLOW_CHASSIS=from-env"}
	c, err := load(t, file, environ, "--chassis=from-flag")
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.Chassis.Name, c.Database.Prefix, c.Chassis.Bridge, c.Process.LogLevel}
	if want := []string{"from-flag", "from-env", "from-file", "info"}; !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	sources := map[string]string{}
	for _, row := range c.Rows() {
		sources[row.Key] = filepath.Base(row.Source)
	}
	for key, want := range map[string]string{
		"chassis": "--chassis", "db-prefix": "DRAGONFLOW_DB_PREFIX", "bridge": "settings.yaml:3", "log-level": "default",
	} {
		if sources[key] != want {
			t.Errorf("%s comes from %q, want %q", key, sources[key], want)
		}
	}
}

func TestBadSettingsAreRefusedWithTheirPlace(t *testing.T) {
	for name, test := range map[string]struct {
		file    string
		environ []string
		args    []string
		want    string
	}{
		"unknown key":         {file: "\nbrigde: br-int", want: "settings.yaml:2: unknown setting brigde; did you mean bridge?"},
		"unknown variable":    {environ: []string{"DRAGONFLOW_DB_CRET=x"}, want: "unknown setting DRAGONFLOW_DB_CRET; did you mean DRAGONFLOW_DB_CERT?"},
		"lower-case variable": {environ: []string{"DRAGONFLOW_db=x"}, want: "unknown setting DRAGONFLOW_db"},
		"resembles nothing":   {file: "qqqqqqqqqqqq: 1", want: "unknown setting qqqqqqqqqqqq; dragonflow config lists"},
		"duplicate key":       {file: "bridge: a\nbridge: b", want: `mapping key "bridge" already defined`},
		"a mapping":           {file: "chassis:\n  name: x", want: "settings.yaml:1: chassis must have a plain value"},
		"a list of lists":     {file: "chassis: [[a], b]", want: "chassis must have a plain value"},
		"nothing":             {file: "chassis:", want: "chassis must have a plain value"},
		"an alias":            {file: "bridge: &x br\nchassis: *x", want: "chassis must have a plain value"},
		"no mapping":          {file: "- chassis", want: "must be lines of the form KEY: VALUE"},
		"several documents":   {file: "chassis: a\n---\nchassis: b", want: "holds several documents"},
		"no YAML":             {file: "a: [", want: "settings.yaml: "},
		"too long":            {file: strings.Repeat("#", maxFileSize+1), want: "longer than"},
		"bad log level":       {file: "log-level: loud", want: `settings.yaml:1: log-level "loud" must be debug, info, warn or error`},
		"bad log format":      {args: []string{"--log-format=xml"}, want: "--log-format: log-format \"xml\" must be"},
		"bad address":         {args: []string{"--metrics-listen=9697"}, want: "must be host:port or off"},
		"bad port":            {args: []string{"--metrics-listen=:70000"}, want: "must be host:port or off"},
		"no database URL":     {environ: []string{"DRAGONFLOW_DB=etcd"}, want: `DRAGONFLOW_DB: db "etcd" must be a URL`},
		"key without cert":    {args: []string{"--db-key=k"}, want: "and db-key must be given together"},
		"slash in the prefix": {args: []string{"--db-prefix=a/b"}, want: "without slashes"},
		"no chassis":          {args: []string{"--chassis="}, want: `--chassis: chassis "" must be a word`},
		"remote OVSDB":        {args: []string{"--ovsdb=tcp:h:6640"}, want: "must be unix:/path"},
		"long bridge":         {args: []string{"--bridge=0123456789abcdef"}, want: "at most 15 characters"},
		"half a mapping":      {args: []string{"--bridge-mappings=physnet1"}, want: "NETWORK:BRIDGE"},
		"a network twice":     {args: []string{"--bridge-mappings=p:br-a,p:br-b"}, want: "physical network p once"},
		"a bridge twice":      {file: "bridge-mappings: [p:br-a, q:br-a]", want: "each bridge once"},
		"the own bridge":      {args: []string{"--bridge-mappings=p:br-int"}, want: "not the integration bridge"},
		"relative folder":     {args: []string{"--state-dir=x"}, want: "absolute path"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, test.file, test.environ, test.args...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got error %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	_, err := load(t, "one: 1\ntwo: 2\n", []string{"DRAGONFLOW_THREE=3"})
	for _, want := range []string{"one", "two", "DRAGONFLOW_THREE"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("does not name %s: %v", want, err)
		}
	}
}

func TestAFileThatSomebodyNamesMustExist(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	for name, test := range map[string]struct{ environ, args []string }{
		"flag":        {args: []string{"--config", missing}},
		"environment": {environ: []string{"DRAGONFLOW_CONFIG=" + missing}},
	} {
		c := Default()
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		c.Bind(flags)
		if err := flags.Parse(test.args); err != nil {
			t.Fatal(err)
		}
		if err := c.Load(flags, test.environ); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	c := Default()
	c.file = missing
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	c.Bind(flags)
	if err := c.Load(flags, nil); err != nil {
		t.Errorf("the default file may be missing, got %v", err)
	}
}

func TestADaemonIgnoresBadValuesOfOtherComponents(t *testing.T) {
	if _, err := load(t, "api-listen: nowhere\n", nil); err != nil {
		t.Errorf("a controller minds the API's address: %v", err)
	}
}

func TestEveryTypeOfSettingIsReadFromTextAndWrittenBack(t *testing.T) {
	component := struct {
		Text   string        `key:"text"`
		Switch bool          `key:"switch"`
		Number int           `key:"number"`
		Time   time.Duration `key:"time"`
		List   []string      `key:"list"`
	}{}
	for i, texts := range [][2]string{{"a b", "a b"}, {"true", "true"}, {"-3", "-3"}, {"90s", "1m30s"}, {"a, b,,c", "a,b,c"}} {
		s := settingsOf(&component)[i]
		if err := s.set(texts[0], "test"); err != nil {
			t.Fatal(err)
		}
		if s.text() != texts[1] {
			t.Errorf("%s: wrote %q, read %q, want %q", s.key, texts[0], s.text(), texts[1])
		}
	}
	for key, bad := range map[string]string{"switch": "maybe", "number": "1.5", "time": "5"} {
		for _, s := range settingsOf(&component) {
			if s.key == key && s.set(bad, "test") == nil {
				t.Errorf("%s accepts %q", key, bad)
			}
		}
	}
	if !reflect.DeepEqual(component.List, []string{"a", "b", "c"}) {
		t.Errorf("list is %q", component.List)
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	c, err := load(t, "db: redis://user:se:cret@h:1,h2:1/0\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range c.Rows() {
		if row.Key == "db" && row.Value != "redis://user:…@h:1,h2:1/0" {
			t.Errorf("shows %s", row.Value)
		}
	}
}

func TestEverySettingIsDescribedAndNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Default().settings {
		if s.help == "" || s.key == "" || seen[s.key] || s.key != strings.ToLower(s.key) {
			t.Errorf("setting %q with help %q", s.key, s.help)
		}
		seen[s.key] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d settings", len(seen))
	}
}

func TestLogger(t *testing.T) {
	var out bytes.Buffer
	p := Process{LogLevel: "warn", LogFormat: "json"}
	log := p.Logger(&out)
	log.Info("not this")
	log.Warn("this", "port", "p1")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line["msg"] != "this" || line["port"] != "p1" {
		t.Errorf("logged %q: %v", out.String(), err)
	}
}

func TestMetricsAddress(t *testing.T) {
	for set, want := range map[string]string{"": "fallback", "off": "", "[::1]:1": "[::1]:1"} {
		if got := (&Process{MetricsListen: set}).MetricsAddress("fallback"); got != want {
			t.Errorf("metrics-listen %q: got %q, want %q", set, got, want)
		}
	}
}

func TestDocsSettings(t *testing.T) {
	for path, text := range map[string]string{
		"../../docs/operate/config.md": Reference(),
		"../../deploy/dragonflow.yaml": Example(),
	} {
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		stored, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(stored), text); diff != "" {
			t.Errorf("%s is out of date, run make golden:\n%s", path, diff)
		}
	}
}

func TestTheExampleWithEverythingUncommentedIsTheDefault(t *testing.T) {
	var file strings.Builder
	for line := range strings.Lines(Example()) {
		line = strings.TrimSpace(line)
		if key, isKey := strings.CutPrefix(line, "#"); isKey && !strings.HasPrefix(key, " ") && !strings.HasSuffix(key, ":") {
			file.WriteString(key + "\n")
		}
	}
	c, err := load(t, file.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Default().Database, c.Database); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseFile(f *testing.F) {
	for _, seed := range []string{"bridge: br-int\n", Example(), "chassis: [a, 'b']", "db: |\n  x\n", "? a\n: b", "a: &x [*x]", "<<: {a: b}", "---\n---\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		c := Default()
		if c.parseFile("f", data) == nil {
			c.Rows()
		}
	})
}
