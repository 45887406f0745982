package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
)

// ovsdbRPC is a plain client of an ovsdb-server (RFC 7047), for transactions of any database.
type ovsdbRPC struct {
	conn     net.Conn
	database string

	mu      sync.Mutex
	next    int
	waiting map[int]chan ovsdbAnswer
	err     error
}

// ovsdbAnswer is a reply; without one the connection has ended.
type ovsdbAnswer struct {
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// ovsdbOp is one operation of a transaction.
type ovsdbOp map[string]any

// ovsdbResult is what an operation brought.
type ovsdbResult struct {
	UUID    []string         `json:"uuid"`
	Rows    []map[string]any `json:"rows"`
	Error   string           `json:"error"`
	Details string           `json:"details"`
}

// ovsdbClient connects to a database until the end of the experiment.
func (r *run) ovsdbClient(ctx context.Context, socket, database string) (*ovsdbRPC, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	c := &ovsdbRPC{conn: conn, database: database, waiting: map[int]chan ovsdbAnswer{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.end(c.read())
	}()
	r.atEnd(func() { _ = conn.Close(); <-done })
	return c, nil
}

func (c *ovsdbRPC) read() error {
	in := json.NewDecoder(bufio.NewReader(c.conn))
	for {
		var m struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
			Params json.RawMessage `json:"params"`
			ovsdbAnswer
		}
		if err := in.Decode(&m); err != nil {
			return err
		}
		if m.Method == "echo" {
			if err := c.write(map[string]any{"id": m.ID, "result": m.Params, "error": nil}); err != nil {
				return err
			}
			continue
		}
		var id int
		if json.Unmarshal(m.ID, &id) != nil {
			continue
		}
		c.mu.Lock()
		to := c.waiting[id]
		delete(c.waiting, id)
		c.mu.Unlock()
		if to != nil {
			to <- m.ovsdbAnswer
		}
	}
}

func (c *ovsdbRPC) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	for id, to := range c.waiting {
		delete(c.waiting, id)
		close(to)
	}
}

func (c *ovsdbRPC) write(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err = c.conn.Write(b)
	return err
}

// transact makes all operations, or none, and returns what each brought.
func (c *ovsdbRPC) transact(ctx context.Context, ops ...ovsdbOp) ([]ovsdbResult, error) {
	to := make(chan ovsdbAnswer, 1)
	c.mu.Lock()
	c.next++
	id := c.next
	ended := c.err
	c.waiting[id] = to
	c.mu.Unlock()
	if ended != nil {
		return nil, ended
	}
	params := []any{c.database}
	for _, op := range ops {
		params = append(params, op)
	}
	if err := c.write(map[string]any{"method": "transact", "params": params, "id": id}); err != nil {
		return nil, err
	}
	select {
	case answer, ok := <-to:
		if !ok {
			return nil, fmt.Errorf("database %s: connection lost", c.database)
		}
		return answer.results()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (a ovsdbAnswer) results() ([]ovsdbResult, error) {
	if len(a.Error) > 0 && string(a.Error) != "null" {
		return nil, fmt.Errorf("transaction refused: %s", a.Error)
	}
	var list []ovsdbResult
	if err := json.Unmarshal(a.Result, &list); err != nil {
		return nil, fmt.Errorf("%w: %s", err, a.Result)
	}
	for i, r := range list {
		if r.Error != "" {
			return nil, fmt.Errorf("operation %d: %s: %s", i, r.Error, r.Details)
		}
	}
	return list, nil
}

// The forms of values, RFC 7047 section 5.1.

func ovsdbSet[T any](list ...T) []any {
	items := []any{}
	for _, v := range list {
		items = append(items, v)
	}
	return []any{"set", items}
}

func ovsdbMap(pairs ...string) []any {
	items := []any{}
	for i := 0; i < len(pairs); i += 2 {
		items = append(items, []any{pairs[i], pairs[i+1]})
	}
	return []any{"map", items}
}

func ovsdbUUID(id string) []any { return []any{"uuid", id} }

// named refers to a row that the same transaction inserts.
func named(name string) []any { return []any{"named-uuid", name} }
