package fast_test

import (
	"context"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
	"github.com/dragonflow/dragonflow/test/scenario"
	"github.com/dragonflow/dragonflow/test/scenario/fast"
)

// Every scenario that needs no real machine, in this process.
func TestScenarios(t *testing.T) {
	t.Parallel()
	if _, err := private.Find(); err != nil {
		ovs.Missing(t, err.Error())
	}
	all, err := scenario.All()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, name, text)
		})
	}
}

func play(t *testing.T, name, text string) {
	t.Helper()
	s, err := scenario.Parse(name, text)
	if err != nil {
		t.Fatal(err)
	}
	if s.NeedsReal != "" {
		t.Logf("played in test/e2e only: %s", s.NeedsReal)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := fast.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	if err := s.Play(t.Context(), p, t.Logf); err != nil {
		t.Error(err)
		t.Log(p.Said())
	}
	t.Logf("%v", time.Since(began).Round(time.Millisecond))
}
