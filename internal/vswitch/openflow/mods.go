package openflow

import (
	"context"
	"fmt"
)

// ModError is the error of a group or meter change that the switch refused; the others were made.
type ModError struct {
	What     string    // "group" or "meter"
	Failures []Failure // at most 1000
	More     int
}

// Error says how many were refused and why the first was.
func (e *ModError) Error() string {
	return fmt.Sprintf("the switch refused %d %s changes; the first, number %d: %v",
		len(e.Failures)+e.More, e.What, e.Failures[0].Index, e.Failures[0].Err)
}

// Unwrap returns what the switch said.
func (e *ModError) Unwrap() []error {
	list := make([]error, len(e.Failures))
	for i, f := range e.Failures {
		list[i] = f.Err
	}
	return list
}

// ApplyGroups makes changes of groups in order and waits until the switch has made them. A *ModError says which it
// refused. Deleting a group deletes the flows that use it.
func (c *Conn) ApplyGroups(ctx context.Context, mods []GroupMod) error {
	return c.applyEach(ctx, "group", len(mods), func(b []byte, i int, xid uint32) []byte {
		return appendGroupMod(b, xid, &mods[i])
	})
}

// ApplyMeters makes changes of meters, as ApplyGroups does of groups.
func (c *Conn) ApplyMeters(ctx context.Context, mods []MeterMod) error {
	return c.applyEach(ctx, "meter", len(mods), func(b []byte, i int, xid uint32) []byte {
		return appendMeterMod(b, xid, &mods[i])
	})
}

// applyEach sends n messages and a barrier, behind which all errors about them have come.
func (c *Conn) applyEach(ctx context.Context, what string, n int, add func(b []byte, i int, xid uint32) []byte) error {
	if n == 0 {
		return nil
	}
	e := c.begin(n + 1)
	defer c.finish(e)
	for sent := 0; sent < n; {
		err := c.send(ctx, func(b []byte) []byte {
			for limit := len(b) + writeChunk; sent < n && len(b) < limit; sent++ {
				b = add(b, sent, e.first+uint32(sent))
			}
			return b
		})
		if err != nil {
			return fmt.Errorf("send %d %s changes: %w", n, what, err)
		}
	}
	c.count.sent.Add(uint64(n))
	err := c.send(ctx, func(b []byte) []byte { return end(begin(b, typeBarrier, e.first+uint32(n)), len(b)) })
	if err == nil {
		err = c.await(ctx, e, uint32(n))
	}
	if err != nil {
		return fmt.Errorf("apply %d %s changes: %w", n, what, err)
	}
	faults, more := c.faulty(e)
	if len(faults) == 0 {
		return nil
	}
	refused := &ModError{What: what, More: more}
	for _, f := range faults {
		refused.Failures = append(refused.Failures, Failure{int(f.index), f.err})
	}
	return refused
}
