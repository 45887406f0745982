package engine

import (
	"iter"
	"slices"
	"sync/atomic"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// Copy is a copy of the desired flows, groups and meters as of the moment of its beginning. It is made in
// pieces, so that whoever owns the engine can do other work in between.
type Copy struct {
	next func() (flow.Flow, bool)
	stop func()
	over atomic.Bool
	// pieces are the flows as they were when their piece was copied, and before what was under the keys
	// that have changed since the beginning; nil is nothing.
	pieces [][]flow.Flow
	before map[flow.Key]*flow.Flow
	groups []flow.GroupEntry
	meters []flow.MeterEntry
}

// BeginCopy begins a copy. It must be ended.
func (e *Engine) BeginCopy() *Copy {
	c := &Copy{before: map[flow.Key]*flow.Flow{}, groups: slices.Collect(e.Groups()), meters: slices.Collect(e.Meters())}
	c.next, c.stop = iter.Pull(e.Flows())
	e.copies = append(e.copies, c)
	return c
}

// Continue copies up to n further flows, where the engine may be read, and reports whether that was the
// last piece.
func (c *Copy) Continue(n int) (done bool) {
	piece := make([]flow.Flow, 0, n)
	more := true
	for more && len(piece) < n {
		var f flow.Flow
		if f, more = c.next(); more {
			piece = append(piece, f)
		}
	}
	c.pieces = append(c.pieces, piece)
	if !more {
		c.End()
	}
	return !more
}

// End lets the engine forget the copy. It may be called by anyone, repeatedly, but not while Continue runs.
func (c *Copy) End() {
	if !c.over.Swap(true) {
		c.stop()
	}
}

// Flows yields what was copied, in no order. It needs the engine no more.
func (c *Copy) Flows() iter.Seq[flow.Flow] {
	return func(yield func(flow.Flow) bool) {
		for _, piece := range c.pieces {
			for _, f := range piece {
				if _, changed := c.before[f.Key()]; !changed && !yield(f) {
					return
				}
			}
		}
		for _, f := range c.before {
			if f != nil && !yield(*f) {
				return
			}
		}
	}
}

// Groups yields the groups that were copied.
func (c *Copy) Groups() iter.Seq[flow.GroupEntry] { return slices.Values(c.groups) }

// noteCopies tells copies in the making what a step changed.
func (e *Engine) noteCopies(d *Delta) {
	e.copies = slices.DeleteFunc(e.copies, func(c *Copy) bool { return c.over.Load() })
	for _, c := range e.copies {
		for _, f := range d.Flows {
			k := either(f.New, f.Old).Key()
			if _, noted := c.before[k]; !noted {
				c.before[k] = f.Old
			}
		}
	}
}
