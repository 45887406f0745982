package flow

import (
	"fmt"
	"iter"
)

// maxDepth bounds how deep actions may be nested in actions.
const maxDepth = 16

// ParseInstructions reads instructions as a switch sends them. It checks their frame and that of the actions in them;
// actions that this package does not know stay as they are. It keeps none of b.
func ParseInstructions(b []byte) (Instructions, error) {
	for rest := b; len(rest) > 0; {
		if len(rest) < 8 {
			return Instructions{}, fmt.Errorf("instruction of %d bytes", len(rest))
		}
		n := int(be16(rest[2:]))
		if n < 8 || n > len(rest) || n%8 != 0 {
			return Instructions{}, fmt.Errorf("instruction %d of %d bytes in %d", be16(rest), n, len(rest))
		}
		switch be16(rest) {
		case insApply, insWrite:
			if err := checkActions(rest[8:n], 0); err != nil {
				return Instructions{}, err
			}
		case insMetadata:
			if n != 24 {
				return Instructions{}, fmt.Errorf("write_metadata instruction of %d bytes", n)
			}
		}
		rest = rest[n:]
	}
	return Instructions{string(b)}, nil
}

// ParseActions reads a list of actions as a switch sends it.
func ParseActions(b []byte) ([]Action, error) {
	if err := checkActions(b, 0); err != nil {
		return nil, err
	}
	var list []Action
	for a := range actionSeq(string(b)) {
		list = append(list, a)
	}
	return list, nil
}

// checkActions checks the frame of actions.
func checkActions[T text](b T, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("actions nested deeper than %d", maxDepth)
	}
	for len(b) > 0 {
		if len(b) < 8 {
			return fmt.Errorf("action of %d bytes", len(b))
		}
		n := int(be16(b[2:]))
		if n < 8 || n > len(b) || n%8 != 0 {
			return fmt.Errorf("action %d of %d bytes in %d", be16(b), n, len(b))
		}
		if start := nested(b[:n]); start > 0 {
			if err := checkActions(b[start:n], depth+1); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

// nested returns where in an action other actions begin, 0 if there are none.
func nested[T text](b T) int {
	if !isNicira(b) {
		return 0
	}
	switch {
	case be16(b[8:]) == nxClone && len(b) > 16:
		return 16
	case be16(b[8:]) == nxCT && len(b) > 24:
		return 24
	}
	return 0
}

func isNicira[T text](b T) bool {
	return len(b) >= 16 && be16(b) == actExperimenter && be32(b[4:]) == nicira
}

// actionSeq yields actions whose frame was checked.
func actionSeq(wire string) iter.Seq[Action] {
	return func(yield func(Action) bool) {
		for len(wire) >= 8 {
			n := int(be16(wire[2:]))
			if n < 8 || n > len(wire) || !yield(Action{wire[:n]}) {
				return
			}
			wire = wire[n:]
		}
	}
}

// Step is one part of [Instructions] as a packet meets them: either an action, or one of the instructions
// beside apply_actions.
type Step struct {
	Action        Action // if no other field is set
	Meter         uint32
	Goto          *uint8
	WriteMetadata *Constraint
	Clear         bool     // clear_actions
	Write         []Action // write_actions
}

// Steps yields what is done with a packet, in order. Unknown instructions are left out.
func (i Instructions) Steps() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for rest := i.wire; len(rest) >= 8; {
			n := int(be16(rest[2:]))
			ins := rest[:n]
			rest = rest[n:]
			if be16(ins) != insApply {
				if !yield(otherStep(ins)) {
					return
				}
				continue
			}
			for a := range actionSeq(ins[8:]) {
				if !yield(Step{Action: a}) {
					return
				}
			}
		}
	}
}

func otherStep(ins string) Step {
	switch be16(ins) {
	case insMeter:
		return Step{Meter: be32(ins[4:])}
	case insGoto:
		t := ins[4]
		return Step{Goto: &t}
	case insMetadata:
		return Step{WriteMetadata: &Constraint{Metadata, Uint(be64(ins[8:])), Uint(be64(ins[16:]))}}
	case insWrite:
		var list []Action
		for a := range actionSeq(ins[8:]) {
			list = append(list, a)
		}
		return Step{Write: list}
	case insClear:
		return Step{Clear: true}
	}
	return Step{}
}

// Actions yields the actions that are applied.
func (i Instructions) Actions() iter.Seq[Action] {
	return func(yield func(Action) bool) {
		for s := range i.Steps() {
			if s.Action.wire != "" && !yield(s.Action) {
				return
			}
		}
	}
}

// Next returns the table of the goto instruction, if there is one.
func (i Instructions) Next() (table uint8, ok bool) {
	for s := range i.Steps() {
		if s.Goto != nil {
			return *s.Goto, true
		}
	}
	return 0, false
}
