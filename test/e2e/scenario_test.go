package e2e

import (
	"context"
	"flag"
	"regexp"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/netns"
	"github.com/dragonflow/dragonflow/test/scenario"
	"github.com/dragonflow/dragonflow/test/scenario/real"
)

// wanted chooses scenarios: without it a few, since all of them take minutes. All are played by "make e2e" here, and
// by every "make test" in package fast.
var wanted = flag.String("scenarios", "^(one-chassis|tunnel-geneve|routed|isolation)$", "play the scenarios whose names match")

// Scenarios, with real packets on several chassis.
func TestScenarios(t *testing.T) {
	t.Parallel()
	all, err := scenario.All()
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := regexp.Compile(*wanted)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range all {
		if !chosen.MatchString(name) {
			continue
		}
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
	p := newPlatform(t)
	began := time.Now()
	err = s.Play(t.Context(), p, func(format string, args ...any) {
		if testing.Verbose() {
			t.Logf(format, args...)
		}
	})
	if err != nil {
		t.Error(err)
		said(t, p)
	}
	t.Logf("%v", time.Since(began).Round(time.Millisecond))
}

// newPlatform is a cloud of several chassis until the end of the test.
func newPlatform(t *testing.T) *real.Platform {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	netns.Need(t, "etcd")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p, err := real.New(ctx, program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// said shows what the daemons wrote last.
func said(t *testing.T, p *real.Platform) {
	t.Helper()
	t.Logf("server:\n%s", p.Cloud.Server.Said())
	for _, c := range p.Cloud.All() {
		t.Logf("controller %s:\n%s", c.Name(), c.Controller.Said())
		if out, err := c.Ask(t.Context(), "status"); err == nil {
			t.Log(out)
		}
	}
}
