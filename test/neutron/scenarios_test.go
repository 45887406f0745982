//go:build neutron

package main

import (
	"context"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/test/scenario"
)

// wanted chooses scenarios; all are played without it, but for those that load the machine, and those that are excused.
var wanted = flag.String("scenarios", ".", "play the scenarios whose names match")

// excuses is where people read which scenarios are not played, and why.
const excuses = "README.md"

// TestScenarios plays, through one real Neutron, one after the other, the scenarios that are played through the API of
// our own server elsewhere. Each has chassis, a server and a database of its own.
func TestScenarios(t *testing.T) {
	texts, err := scenario.All()
	must(t, err)
	excused := readExcuses(t)
	for name := range excused {
		if texts[name] == "" {
			t.Errorf("%s excuses %s, which is no scenario", excuses, name)
		}
	}
	chosen, err := regexp.Compile(*wanted)
	must(t, err)
	s := open(t)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if excused[name] || !chosen.MatchString(name) {
			continue
		}
		parsed, err := scenario.Parse(name, texts[name])
		must(t, err)
		t.Run(name, func(t *testing.T) { s.play(t, parsed) })
	}
}

// open starts Neutron for the test.
func open(t *testing.T) *stage {
	t.Helper()
	bin, err := filepath.Abs(*program)
	must(t, err)
	environment, err := filepath.Abs(*python)
	must(t, err)
	dir, err := os.MkdirTemp("", "df-os") // short: there are sockets in it
	must(t, err)
	began := time.Now()
	s, err := newStage(t.Context(), bin, environment, dir)
	t.Cleanup(func() {
		if s.neutron != nil {
			must(t, s.neutron.Close())
		}
		must(t, os.RemoveAll(dir))
	})
	must(t, err)
	t.Logf("Neutron serves after %v", time.Since(began).Round(time.Millisecond))
	return s
}

// tries is how often a scenario that measures time may be played: what else the machine does only lengthens times.
const tries = 3

func (s *stage) play(t *testing.T, parsed *scenario.Scenario) {
	t.Helper()
	for try := 1; ; try++ {
		err := s.playOnce(t, parsed)
		if err == nil {
			return
		}
		if !parsed.Alone || try == tries {
			t.Fatal(err)
		}
		t.Logf("measured: try %d: %v", try, err)
	}
}

// playOnce plays a scenario on a cloud of its own, and leaves Neutron as empty as it was.
func (s *stage) playOnce(t *testing.T, parsed *scenario.Scenario) (err error) {
	t.Helper()
	const patience = 15 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := s.player(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	err = parsed.Play(ctx, p, t.Logf)
	played := time.Since(began).Round(time.Millisecond)
	if err == nil {
		err = p.finish(ctx)
	}
	if err != nil {
		s.said(t, p)
	}
	err = errors.Join(err, clean(ctx, s.api), p.leave(ctx), remove(ctx, s.api, "agent"), p.Close())
	t.Logf("%v, with all around it %v", played, time.Since(began).Round(time.Millisecond))
	return err
}

// said shows what the daemons wrote last.
func (s *stage) said(t *testing.T, p *player) {
	t.Helper()
	t.Logf("%s", s.neutron.Said())
	t.Logf("server:\n%s", p.Cloud.Server.Said())
	for _, c := range p.Cloud.All() {
		t.Logf("controller %s:\n%s", c.Name(), c.Controller.Said())
	}
}

// readExcuses reads the first column of the table of scenarios that are not played.
func readExcuses(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(excuses)
	must(t, err)
	names := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		name, quoted := strings.CutPrefix(strings.TrimSpace(cells[1]), "`")
		name, whole := strings.CutSuffix(name, "`") // other tables have rows that only begin so
		if quoted && whole && strings.TrimSpace(cells[2]) != "" {
			names[name] = true
		}
	}
	return names
}
