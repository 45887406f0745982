// Package number gives out the small numbers that stand for things on one chassis: port, network and
// profile keys in registers, conntrack zones, group and meter ids.
//
// A number is keyed by content: as long as anybody claims the content it keeps its number, also over a
// restart (the owner persists [Allocator.TakeChanges] before the number is used). A number whose last
// claim went rests until the switch has confirmed that nothing uses it any more; if its content comes
// back meanwhile it gets the same number again.
//
// The package imports only the standard library. An Allocator belongs to one goroutine.
package number

import (
	"fmt"
	"slices"
)

// Space is a kind of number with its range, both ends inclusive. Min must be positive: zero in a
// register means "none".
type Space struct {
	Name     string
	Min, Max uint32
}

// Entry is one assignment.
type Entry struct {
	Space   string `json:"space"`
	Content string `json:"content"`
	Number  uint32 `json:"number"`
}

// Change is an assignment made or, with Freed, taken back.
type Change struct {
	Entry
	Freed bool
}

// Allocator gives out numbers. The zero value is not usable; see New.
type Allocator struct {
	spaces  map[string]*space
	changes []Change
}

type space struct {
	byContent map[string]*slot
	taken     map[uint32]struct{}
	next      uint32
	resting   map[string]struct{}
}

type slot struct {
	number uint32
	claims int
}

// New returns an empty allocator.
func New() *Allocator { return &Allocator{spaces: map[string]*space{}} }

// Restore puts back assignments from before a restart. They start without claims, resting, so that what
// the new run does not claim is freed by the first Settle.
func (a *Allocator) Restore(entries []Entry) {
	for _, e := range entries {
		s := a.space(e.Space)
		if _, dup := s.taken[e.Number]; dup || s.byContent[e.Content] != nil || e.Number == 0 {
			continue // a damaged snapshot must not make two things share a number
		}
		s.byContent[e.Content] = &slot{number: e.Number}
		s.taken[e.Number] = struct{}{}
		s.resting[e.Content] = struct{}{}
	}
}

// Lookup returns the number of content, assigning one if there is none. It does not claim it: what is
// not claimed by the next Settle is freed. The error names a space that is full.
func (a *Allocator) Lookup(sp Space, content string) (uint32, error) {
	s := a.space(sp.Name)
	if sl := s.byContent[content]; sl != nil {
		return sl.number, nil
	}
	n, ok := s.free(sp)
	if !ok {
		return 0, fmt.Errorf("all %d numbers of space %q are taken", sp.Max-sp.Min+1, sp.Name)
	}
	s.byContent[content] = &slot{number: n}
	s.taken[n] = struct{}{}
	s.resting[content] = struct{}{}
	a.changes = append(a.changes, Change{Entry: Entry{sp.Name, content, n}})
	return n, nil
}

// free finds a number next-fit, so that a freed one is reused as late as possible.
func (s *space) free(sp Space) (uint32, bool) {
	size := uint64(sp.Max) - uint64(sp.Min) + 1
	if uint64(len(s.taken)) >= size {
		return 0, false
	}
	if s.next < sp.Min || s.next > sp.Max {
		s.next = sp.Min
	}
	for range size {
		n := s.next
		if s.next++; s.next > sp.Max || s.next < sp.Min {
			s.next = sp.Min
		}
		if _, taken := s.taken[n]; !taken {
			return n, true
		}
	}
	return 0, false
}

// Claim counts one more user of an assigned content.
func (a *Allocator) Claim(spaceName, content string) {
	s := a.space(spaceName)
	if sl := s.byContent[content]; sl != nil {
		sl.claims++
		delete(s.resting, content)
	}
}

// Release counts one user less. Without users the number rests.
func (a *Allocator) Release(spaceName, content string) {
	s := a.space(spaceName)
	sl := s.byContent[content]
	if sl == nil || sl.claims == 0 {
		return
	}
	if sl.claims--; sl.claims == 0 {
		s.resting[content] = struct{}{}
	}
}

// Resting lists what nobody claims, in canonical order. The caller makes the switch forget these
// numbers (barrier, zone flush) and then calls Settle with the same list.
func (a *Allocator) Resting() []Entry {
	var out []Entry
	for name, s := range a.spaces {
		for c := range s.resting {
			out = append(out, Entry{name, c, s.byContent[c].number})
		}
	}
	sortEntries(out)
	return out
}

// Settle frees those of the entries that are still unclaimed.
func (a *Allocator) Settle(entries []Entry) {
	for _, e := range entries {
		s := a.space(e.Space)
		if _, rests := s.resting[e.Content]; !rests {
			continue
		}
		delete(s.resting, e.Content)
		delete(s.byContent, e.Content)
		delete(s.taken, e.Number)
		a.changes = append(a.changes, Change{Entry: e, Freed: true})
	}
}

// TakeChanges returns what was assigned and freed since the last call, in order.
func (a *Allocator) TakeChanges() []Change {
	c := a.changes
	a.changes = nil
	return c
}

// Entries returns all assignments in canonical order.
func (a *Allocator) Entries() []Entry {
	var out []Entry
	for name, s := range a.spaces {
		for c, sl := range s.byContent {
			out = append(out, Entry{name, c, sl.number})
		}
	}
	sortEntries(out)
	return out
}

// Clone returns an independent copy without claims or changes: the allocator's state as an input for a
// recomputation.
func (a *Allocator) Clone() *Allocator {
	b := New()
	b.Restore(a.Entries())
	for name, s := range a.spaces {
		b.space(name).next = s.next
	}
	return b
}

// Names returns content by number for one space; it is made for display.
func (a *Allocator) Names(spaceName string) map[uint32]string {
	out := map[uint32]string{}
	for c, sl := range a.space(spaceName).byContent {
		out[sl.number] = c
	}
	return out
}

func (a *Allocator) space(name string) *space {
	s := a.spaces[name]
	if s == nil {
		s = &space{byContent: map[string]*slot{}, taken: map[uint32]struct{}{}, resting: map[string]struct{}{}}
		a.spaces[name] = s
	}
	return s
}

func sortEntries(out []Entry) {
	slices.SortFunc(out, func(x, y Entry) int {
		if x.Space != y.Space {
			if x.Space < y.Space {
				return -1
			}
			return 1
		}
		return int(int64(x.Number) - int64(y.Number))
	})
}
