package misses_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func TestEveryStageHasAMissWithAReason(t *testing.T) {
	w := apptest.New(t, misses.New())
	w.MustStep()
	if got, want := w.Engine.FlowCount(), len(pipeline.Stages()); got != want {
		t.Errorf("%d misses for %d stages", got, want)
	}
	for f := range w.Engine.Flows() {
		x, _ := w.Engine.Explain(f.Key())
		if x.Reason == "" || f.Priority != pipeline.Miss || !f.Match.IsAll() {
			t.Errorf("%s: reason %q", f, x.Reason)
		}
	}
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, misses.New())
	stranger := apptest.Port("a", "n", 1)
	s := w.Switch(stranger)
	w.MustStep()
	s.Install()
	s.Send(stranger, append(make([]byte, 12), append([]byte{0x88, 0xb5}, make([]byte, 46)...)...))
	apptest.Readme(t, "dump", s.Dump(func(owner string) bool { return strings.HasPrefix(owner, "misses.") }))
}
