package openflow

import (
	"context"
	"fmt"
	"strings"
)

// Failure is what the switch said about one change.
type Failure struct {
	Index int // in the list that was given
	Err   error
}

// BundleError is the error of [Conn.Apply] when the switch refused changes: then none of them was made.
type BundleError struct {
	Failures []Failure // at most 1000
	More     int       // further ones; a flow that is refused only at the commit hides those after it
	Bundle   error     // what the switch said about the bundle itself, if it did
	mods     []FlowMod
}

// Error names the first flows and what the switch said about them.
func (e *BundleError) Error() string {
	var b strings.Builder
	b.WriteString("the switch refused a bundle")
	if e.Bundle != nil {
		fmt.Fprintf(&b, ": %v", e.Bundle)
	}
	for i, f := range e.Failures {
		if i == 3 {
			fmt.Fprintf(&b, "; and %d more", len(e.Failures)-i+e.More)
			break
		}
		fmt.Fprintf(&b, "; %v %v: %v", e.mods[f.Index].Command, e.mods[f.Index].Flow, f.Err)
	}
	return b.String()
}

// Mod returns the change that failed.
func (e *BundleError) Mod(f Failure) FlowMod { return e.mods[f.Index] }

// Unwrap returns what the switch said.
func (e *BundleError) Unwrap() []error {
	var list []error
	for _, f := range e.Failures {
		list = append(list, f.Err)
	}
	if e.Bundle != nil {
		list = append(list, e.Bundle)
	}
	return list
}

// Apply makes all changes at once, in an atomic and ordered bundle, or none. When it returns nil the switch has made them. A
// *BundleError says which were refused. On any other error the connection has ended, or ctx has, and what
// was made is unknown: dump to see. Mods must not change until Apply returns. The caller chooses the size: a switch
// forwards slowly while it commits.
func (c *Conn) Apply(ctx context.Context, mods []FlowMod) error {
	if len(mods) == 0 {
		return nil
	}
	// The exchange: open, one for each change, a barrier behind which all their errors have come, and commit or discard.
	n := uint32(len(mods))
	barrier, last := n+1, n+2
	e := c.begin(int(n) + 3)
	defer c.finish(e)
	bundle := e.first
	if err := c.sendBundle(ctx, e, bundle, mods, barrier); err != nil {
		c.abandon(e.first+last, bundle)
		return fmt.Errorf("send a bundle of %d changes: %w", n, err)
	}
	if err := c.await(ctx, e, barrier); err != nil {
		c.abandon(e.first+last, bundle)
		return fmt.Errorf("await the switch's opinion of a bundle of %d changes: %w", n, err)
	}
	if err := c.refusal(e, mods); err != nil {
		c.abandon(e.first+last, bundle)
		return err
	}
	return c.commit(ctx, e, bundle, last, mods)
}

// sendBundle sends open, changes and barrier. It does not wait for a reply in between: errors that come are noted by
// the reader while this side writes, as the switch stops reading when its errors are not read.
func (c *Conn) sendBundle(ctx context.Context, e *exchange, bundle uint32, mods []FlowMod, barrier uint32) error {
	open := func(b []byte) []byte { return appendBundleControl(b, e.first, bundle, bundleOpen) }
	if err := c.send(ctx, open); err != nil {
		return err
	}
	sent := 0
	chunk := func(b []byte) []byte {
		for limit := len(b) + writeChunk; sent < len(mods) && len(b) < limit; sent++ {
			b = appendBundleAdd(b, e.first+1+uint32(sent), bundle, &mods[sent])
		}
		return b
	}
	for sent < len(mods) {
		if err := c.send(ctx, chunk); err != nil {
			return err
		}
	}
	c.count.sent.Add(uint64(len(mods)))
	return c.send(ctx, func(b []byte) []byte { return end(begin(b, typeBarrier, e.first+barrier), len(b)) })
}

// commit makes the changes.
func (c *Conn) commit(ctx context.Context, e *exchange, bundle, last uint32, mods []FlowMod) error {
	commit := func(b []byte) []byte { return appendBundleControl(b, e.first+last, bundle, bundleCommit) }
	err := c.send(ctx, commit)
	if err == nil {
		err = c.await(ctx, e, last)
	}
	if refused := c.refusal(e, mods); refused != nil {
		return refused
	}
	if err != nil {
		return fmt.Errorf("commit a bundle of %d changes: %w", len(mods), err)
	}
	return nil
}

// abandon tells the switch to forget the bundle. Nobody waits for what it says; if it hears nothing it
// forgets by itself.
func (c *Conn) abandon(xid, bundle uint32) {
	c.out.push(func(b []byte) []byte { return appendBundleControl(b, xid, bundle, bundleDiscard) })
}

// refusal returns the errors about changes and bundle, nil if there are none.
func (c *Conn) refusal(e *exchange, mods []FlowMod) error {
	faults, more := c.faulty(e)
	if len(faults) == 0 {
		return nil
	}
	r := &BundleError{More: more, mods: mods}
	for _, f := range faults {
		if i := int(f.index) - 1; i >= 0 && i < len(mods) {
			r.Failures = append(r.Failures, Failure{i, f.err})
		} else if r.Bundle == nil {
			r.Bundle = f.err
		}
	}
	return r
}

// Barrier returns when the switch has done everything that was sent before on this connection.
func (c *Conn) Barrier(ctx context.Context) error {
	e := c.begin(1)
	defer c.finish(e)
	err := c.send(ctx, func(b []byte) []byte { return end(begin(b, typeBarrier, e.first), len(b)) })
	if err == nil {
		err = c.await(ctx, e, 0)
	}
	if err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	return nil
}
