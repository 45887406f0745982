package engine

import (
	"iter"
	"slices"
	"sync/atomic"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// Copy is a copy of the desired flows and groups that is made in pieces, so that whoever owns the engine
// can do other work in between. What changes meanwhile is part of it: a finished copy is the desired
// state as of its last piece.
type Copy struct {
	engine *Engine
	next   func() (flow.Flow, bool)
	stop   func()
	over   atomic.Bool
	// pieces are the flows as they were when their piece was copied.
	pieces [][]flow.Flow
	// later has what changed under a key since the copy began; nil is gone.
	later  map[flow.Key]*flow.Flow
	groups []flow.GroupEntry
}

// BeginCopy begins a copy. It must be ended.
func (e *Engine) BeginCopy() *Copy {
	c := &Copy{engine: e, later: map[flow.Key]*flow.Flow{}}
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
		c.groups = slices.Collect(c.engine.Groups())
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
		for _, f := range slices.Concat(c.pieces...) {
			if _, changed := c.later[f.Key()]; !changed && !yield(f) {
				return
			}
		}
		for _, f := range c.later {
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
			c.later[either(f.New, f.Old).Key()] = f.New
		}
	}
}
