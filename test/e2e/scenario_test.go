package e2e

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/netns"
	"github.com/dragonflow/dragonflow/test/scenario"
	"github.com/dragonflow/dragonflow/test/scenario/real"
)

// wanted chooses scenarios: without it a few, since all of them take minutes. All are played by "make e2e" here, and
// by every "make test" in package fast.
var wanted = flag.String("scenarios", "^(one-chassis|tunnel-geneve|routed|isolation)$", "play the scenarios whose names match")

// loadMinutes has only the scenarios played that load the machine, and these for longer.
var loadMinutes = flag.Int("load", 0, "play only the scenarios that load the machine, for so many minutes")

var loads = regexp.MustCompile(`(?m)^load \d+\n`)

// Scenarios, with real packets on several chassis.
func TestScenarios(t *testing.T) {
	if !*measured { // else those that are alone are really so
		t.Parallel()
	}
	all, err := scenario.All()
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := regexp.Compile(*wanted)
	if err != nil {
		t.Fatal(err)
	}
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int { // of those that are alone the ones that load the machine come last
		return cmp.Or(strings.Compare(loads.FindString(all[a]), loads.FindString(all[b])), strings.Compare(a, b))
	})
	for _, name := range names {
		text := all[name]
		if !chosen.MatchString(name) {
			continue
		}
		if *loadMinutes > 0 {
			if !loads.MatchString(text) {
				continue
			}
			text = loads.ReplaceAllString(text, strings.Repeat("load 60\n", *loadMinutes))
		}
		s, err := scenario.Parse(name, text)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			if !s.Alone { // those that are come first, one after the other
				t.Parallel()
			}
			attempts := 1
			if s.Alone && !loads.MatchString(text) { // what happens under load is not to happen once
				attempts = tries
			}
			play(t, s, attempts)
		})
	}
}

// tries is how often a scenario that measures time may be played: what else the machine does only lengthens times.
const tries = 3

func play(t *testing.T, s *scenario.Scenario, attempts int) {
	t.Helper()
	needCloud(t)
	for try := 1; ; try++ {
		err := playOnce(t, s)
		if err == nil {
			return
		}
		if try == attempts {
			t.Fatal(err)
		}
		s.Forgetful = true                                                              // so that one of the tries tells of nothing but OpenFlow
		t.Logf("measured: try %d: %s", try, strings.ReplaceAll(err.Error(), "\n", " ")) // only its first line is kept of what passes
	}
}

// needCloud skips a test that a cloud of several chassis would be too much for.
func needCloud(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	netns.Need(t, "etcd")
}

// playOnce plays a scenario on a cloud of its own.
func playOnce(t *testing.T, s *scenario.Scenario) (err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := real.New(ctx, program)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	began := time.Now()
	err = s.Play(t.Context(), p, func(format string, args ...any) {
		if testing.Verbose() {
			t.Logf(format, args...)
		}
	})
	if err != nil {
		said(t, p)
	}
	t.Logf("%v", time.Since(began).Round(time.Millisecond))
	return err
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
