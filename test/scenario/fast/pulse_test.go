package fast

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/test/scenario"
)

// TestMovesAreJudgedIfTheMachineHadTime: a MAC address that moves is an error unless the machine stood still.
func TestMovesAreJudgedIfTheMachineHadTime(t *testing.T) {
	t.Parallel()
	p := &Platform{dir: t.TempDir(), external: newExternal(), chassis: map[string]*chassis{"g1": nil}}
	says := func(line string) {
		if err := os.MkdirAll(p.path("g1"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(p.path("g1"), "ovs-vswitchd.log"), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	says("bridge|INFO|bridge br-int: added interface")
	if err := p.steady(); err != nil {
		t.Errorf("nothing moved: %v", err)
	}
	p.external.moves = []string{"fa:16:3e:00:00:01: from g1 to g2"}
	var unjudged scenario.NotJudged
	if err := p.steady(); err == nil || errors.As(err, &unjudged) {
		t.Errorf("it moved on a quiet machine: %v", err)
	}
	p.pulse.longest.Store(int64(time.Second))
	if err := p.steady(); !errors.As(err, &unjudged) {
		t.Errorf("the network stood still: %v", err)
	}
	p.pulse.longest.Store(0)
	says("timeval|WARN|Unreasonably long 1203ms poll interval (0ms user, 1ms system)")
	if err := p.steady(); !errors.As(err, &unjudged) {
		t.Errorf("a switch stood still: %v", err)
	}
}
