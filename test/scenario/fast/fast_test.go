package fast_test

import (
	"context"
	"strings"
	"sync"
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
	beside := new(sync.RWMutex)
	for name, text := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			judge(t, name, text, beside)
		})
	}
}

// judge plays a scenario beside others, and once more with the processors for itself if it fails: what these take from each
// other lengthens times until packets are lost. What failed first is shown, as if it were measured.
func judge(t *testing.T, name, text string, beside *sync.RWMutex) {
	t.Helper()
	beside.RLock()
	err := play(t, name, text)
	beside.RUnlock()
	if err == nil {
		return
	}
	t.Logf("measured: beside others: %s", strings.ReplaceAll(err.Error(), "\n", " "))
	beside.Lock()
	defer beside.Unlock()
	if err := play(t, name, text); err != nil {
		t.Error(err)
	}
}

func play(t *testing.T, name, text string) error {
	t.Helper()
	s, err := scenario.Parse(name, text)
	if err != nil {
		return err
	}
	if s.NeedsReal != "" {
		t.Logf("played in test/e2e only: %s", s.NeedsReal)
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	p, err := fast.New(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	began := time.Now()
	err = s.Play(t.Context(), p, t.Logf)
	if err != nil {
		t.Log(p.Said())
	}
	t.Logf("%v", time.Since(began).Round(time.Millisecond))
	return err
}
