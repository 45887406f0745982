package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Scenario is a text that was understood.
type Scenario struct {
	Name  string
	Steps []Step
	// NeedsReal says why the scenario makes sense only with real machines, if so.
	NeedsReal string
	// Slow says that it takes a minute or more.
	Slow bool
	// Alone says that it measures time, and nothing else shall be played beside it.
	Alone bool
	// Forgetful has switches forget the flows of their datapaths all the time that the scenario pauses, if they may have the
	// fault that such a flow stays as it was: what packets fare like is then what OpenFlow says, and not that fault.
	Forgetful bool
}

// Step is a statement.
type Step struct {
	Line int
	Text string
	do   action
	// asks says that the statement only asks how packets fare, and may be asked again.
	asks bool
}

// action carries a statement out.
type action func(ctx context.Context, r *Run) error

// statement is a kind of statement.
type statement struct {
	usage string
	parse func(w *words) action
}

// Parse reads a scenario. The error is a *SyntaxError.
func Parse(name, text string) (*Scenario, error) {
	s := &Scenario{Name: name}
	known := &names{of: map[string][]string{}, mobile: map[string]bool{}}
	table := statements()
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		w := &words{file: name, line: n, list: strings.Fields(line), names: known}
		if len(w.list) == 0 {
			continue
		}
		verb := w.word("a statement")
		kind, ok := table[verb]
		if !ok {
			w.fail("no statement begins with this word")
			return nil, w.err
		}
		s.header(w, verb)
		var do action
		if kind.parse != nil {
			do = kind.parse(w)
		}
		if w.end(); w.err != nil {
			w.err.Problem += "; usage: " + kind.usage
			return nil, w.err
		}
		if do != nil {
			s.Steps = append(s.Steps, Step{Line: n, Text: strings.Join(w.list, " "), do: do, asks: asks(verb)})
		}
	}
	return s, nil
}

// header reads the statements about the scenario itself.
func (s *Scenario) header(w *words, verb string) {
	switch verb {
	case "real":
		s.NeedsReal = strings.Join(w.list[1:], " ")
		if w.next = len(w.list); s.NeedsReal == "" {
			w.word("a reason")
		}
	case "slow":
		s.Slow = true
	case "alone":
		s.Alone = true
	}
}

// stepPatience bounds one statement.
const stepPatience = 3 * time.Minute

// Play runs the scenario on a platform. log is told each statement; report is told what was measured. It ends with the
// first statement that fails.
func (s *Scenario) Play(ctx context.Context, p Platform, log func(format string, args ...any)) error {
	r := newRun(p, log)
	r.forgetful = s.Forgetful
	err := s.play(ctx, r)
	if endErr := r.end(); err == nil && endErr != nil {
		err = fmt.Errorf("%s: end: %w", s.Name, endErr)
	}
	return err
}

func (s *Scenario) play(ctx context.Context, r *Run) error {
	for _, step := range s.Steps {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, stepPatience)
		err := step.do(limited, r)
		if err != nil && step.asks {
			err = r.askAgain(limited, step, err)
		}
		if tracer, can := r.platform.(Tracer); can && err == nil {
			err = tracer.Agree(limited)
		}
		cancel()
		if err != nil {
			return fmt.Errorf("%s:%d: %s: %w", s.Name, step.Line, step.Text, err)
		}
		r.log("%6d ms  %s", time.Since(began).Milliseconds(), step.Text)
	}
	return nil
}

// asks reports whether statements of a kind only ask how packets fare.
func asks(verb string) bool {
	return slices.Contains([]string{"ping", "ping6", "reach", "tcp", "udp", "probe", "metadata", "twins", "rate"}, verb)
}

// askAgain asks once more where a switch may have kept a flow of its datapath that it was told to change: that is Open
// vSwitch's fault, and no answer to what the scenario asks.
func (r *Run) askAgain(ctx context.Context, step Step, err error) error {
	p, can := r.platform.(Forgetter)
	if !can {
		return err
	}
	forgotten, forgetErr := p.Forget(ctx)
	if !forgotten || forgetErr != nil {
		return errors.Join(err, forgetErr)
	}
	r.log("the switches have forgotten the flows of their datapaths, since these may be stale in this version; before: %v", err)
	return step.do(ctx, r)
}

// statements is the language.
func statements() map[string]statement {
	table := map[string]statement{
		"real":  {"real REASON: only with real machines", nil},
		"slow":  {"slow: takes a minute or more", nil},
		"alone": {"alone: measures time, nothing is played beside it", nil},
	}
	for _, part := range []map[string]statement{topology(), addressing(), northSouth(), expectations(), events(), hostility(), poses(), casts(), virtual(), forwardings(), segmented(), logs(), policies()} {
		for verb, kind := range part {
			table[verb] = kind
		}
	}
	return table
}
