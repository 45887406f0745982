package ovsdb

import (
	"context"
	"errors"
)

// Await applies events to db until the condition holds for it, or the context
// ends; a db that was never in sync is first brought there. It is the whole
// consumer of a program that does one thing after the other.
func Await(ctx context.Context, c *Client, db *DB, condition func(*DB) bool) error {
	if db.OpenvSwitch() != nil && condition(db) {
		return nil
	}
	var why error // of the last disconnection
	for {
		select {
		case ev, ok := <-c.Events():
			if !ok {
				return errors.Join(errors.New("the OVSDB client ended"), why)
			}
			why = ev.Err
			db.Apply(ev.Changes)
			if ev.State == InSync && condition(db) {
				return nil
			}
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), why)
		}
	}
}
