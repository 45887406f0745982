package pipeline

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

func TestPacketsOnlyGoForward(t *testing.T) {
	for _, s := range Stages() {
		for _, n := range s.Next() {
			if n <= s {
				t.Errorf("%s goes back to %s", s, n)
			}
		}
		next, reason := s.Miss()
		if (reason == "") == (next == 0) {
			t.Errorf("%s must either pass packets on or give a reason to drop them", s)
		}
		if reason == "" && next <= s {
			t.Errorf("%s passes back to %s", s, next)
		}
		if s.String() == "" || s.Purpose() == "" || s.App() == "" {
			t.Errorf("stage %d lacks a name, a purpose or an app", s)
		}
	}
}

func TestStageNamesAreUnique(t *testing.T) {
	for _, s := range Stages() {
		if got, ok := ParseStage(s.String()); !ok || got != s {
			t.Errorf("ParseStage(%q) = %v, %v", s, got, ok)
		}
	}
}

func TestCheckRefusesWhatIsNotDeclared(t *testing.T) {
	m := flow.NewMatch(flow.InPort.Is(1))
	ok := flow.Do(flow.Load(SourcePort, 1)).Goto(EgressPortSecurity.Table())
	for name, c := range map[string]struct {
		stage Stage
		match flow.Match
		do    flow.Instructions
		bad   bool
	}{
		"declared":             {Classify, m, ok, false},
		"undeclared match":     {Classify, flow.NewMatch(DestPort.Is(1)), ok, true},
		"undeclared register":  {Classify, m, flow.Do(flow.Load(DestPort, 1)), true},
		"undeclared stage":     {Classify, m, flow.Goto(Deliver.Table()), true},
		"hidden in a clone":    {Classify, m, flow.Do(flow.Clone(flow.Load(DestPort, 1))), true},
		"hidden in a resubmit": {Classify, m, flow.Do(flow.Resubmit(Deliver.Table())), true},
	} {
		err := Check(flow.Key{Table: c.stage.Table(), Priority: Normal, Match: c.match}, c.do)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCookiesTellOursFromOthers(t *testing.T) {
	c := Cookie(7, ^uint64(0))
	if app, ours := CookieApp(c); app != 7 || !ours {
		t.Errorf("CookieApp(%#x) = %d, %v", c, app, ours)
	}
	if _, ours := CookieApp(0x1234); ours {
		t.Error("a foreign cookie passes for ours")
	}
}
