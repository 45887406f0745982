package engine

import "slices"

// readerSet is the evaluations that read a node: nearly always one or two, sometimes thousands.
type readerSet struct {
	few  []*eval
	many map[*eval]struct{}
}

// fewReaders is how many readers are kept in a list, which costs a twentieth of a map.
const fewReaders = 12

func (s *readerSet) add(ev *eval) {
	if s.many != nil {
		s.many[ev] = struct{}{}
		return
	}
	if slices.Contains(s.few, ev) {
		return
	}
	if len(s.few) < fewReaders {
		s.few = append(s.few, ev)
		return
	}
	s.many = make(map[*eval]struct{}, 2*fewReaders)
	for _, x := range s.few {
		s.many[x] = struct{}{}
	}
	s.many[ev] = struct{}{}
	s.few = nil
}

func (s *readerSet) remove(ev *eval) {
	if s.many != nil {
		delete(s.many, ev)
		return
	}
	if i := slices.Index(s.few, ev); i >= 0 {
		s.few = slices.Delete(s.few, i, i+1)
	}
}

func (s *readerSet) empty() bool { return len(s.few) == 0 && len(s.many) == 0 }

func (s *readerSet) each(f func(*eval)) {
	for _, ev := range s.few {
		f(ev)
	}
	for ev := range s.many {
		f(ev)
	}
}
