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

// Read connects, returns all rows as they are now, and disconnects, for programs that look once.
func Read(ctx context.Context, endpoint string) (*DB, error) {
	client, err := New(Config{Endpoint: endpoint})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = client.Run(ctx) // ends with the context, and what failed before it Await tells
	}()
	defer func() {
		cancel()
		<-ended
	}()
	db := NewDB()
	if err := Await(ctx, client, db, func(*DB) bool { return true }); err != nil {
		return nil, err
	}
	return db, nil
}
