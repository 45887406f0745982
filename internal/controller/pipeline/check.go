package pipeline

import (
	"fmt"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// Check holds a flow to what its stage declares: what it matches, what it sets, where it goes. An app
// that breaks a declaration is told so at once, in tests and at start, instead of by lost packets.
func Check(k flow.Key, do flow.Instructions) error {
	if int(k.Table) >= len(stages) {
		return fmt.Errorf("table %d is not a stage", k.Table)
	}
	s := Stage(k.Table)
	for c := range k.Match.Fields() {
		if !slices.Contains(stages[s].matches, c.Field) {
			return fmt.Errorf("stage %s does not declare that it matches %s", s, c.Field)
		}
	}
	for step := range do.Steps() {
		if err := s.checkStep(step); err != nil {
			return err
		}
	}
	return nil
}

func (s Stage) checkStep(step flow.Step) error {
	switch {
	case step.Goto != nil:
		return s.checkNext(*step.Goto)
	case step.WriteMetadata != nil:
		return s.checkSet(flow.Metadata)
	case step.Action != flow.Action{}:
		return s.checkActions([]flow.Action{step.Action})
	}
	return nil
}

func (s Stage) checkActions(list []flow.Action) error {
	for _, a := range list {
		if err := s.checkAction(a); err != nil {
			return err
		}
	}
	return nil
}

func (s Stage) checkAction(a flow.Action) error {
	switch d := a.Decode().(type) {
	case flow.LoadAction:
		return s.checkSet(d.Dst.Field)
	case flow.SetFieldAction:
		return s.checkSet(d.Field)
	case flow.MoveAction:
		return s.checkSet(d.Dst.Field)
	case flow.PopAction:
		return s.checkSet(d.Dst.Field)
	case flow.CheckPktLargerAction:
		return s.checkSet(d.Dst.Field)
	case flow.CloneAction:
		return s.checkActions(d.Actions)
	case flow.ResubmitAction:
		return s.checkNext(d.Table)
	case flow.ConnTrack:
		if d.HasTable {
			if err := s.checkNext(d.Table); err != nil {
				return err
			}
		}
		return s.checkActions(d.Exec)
	case flow.RawAction:
		return fmt.Errorf("stage %s uses an action that cannot be checked", s)
	}
	return nil
}

func (s Stage) checkSet(f flow.Field) error {
	if !slices.Contains(stages[s].sets, f) {
		return fmt.Errorf("stage %s does not declare that it sets %s", s, f)
	}
	return nil
}

func (s Stage) checkNext(table uint8) error {
	d := stages[s]
	if d.miss == "" && Stage(table) == d.pass || slices.Contains(d.next, Stage(table)) || slices.Contains(d.again, Stage(table)) {
		return nil
	}
	return fmt.Errorf("stage %s does not declare that packets go on to %s", s, StageName(table))
}

// Owned reports whether an app's rules may put flows into a stage. The misses app has the misses of all.
func Owned(table uint8, app string) bool {
	return int(table) < len(stages) && (app == "misses" || stages[table].app == app)
}
