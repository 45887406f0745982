package fakeswitch

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"sync"
)

// monitor is what one connection follows.
type monitor struct {
	id      json.RawMessage
	columns map[string][]string
	out     chan any
}

// request is JSON-RPC 1.0 as RFC 7047 section 4 uses it.
type request struct {
	ID     json.RawMessage   `json:"id"`
	Method string            `json:"method"`
	Params []json.RawMessage `json:"params"`
}

type response struct {
	ID     json.RawMessage `json:"id"`
	Result any             `json:"result"`
	Error  any             `json:"error"`
}

type notification struct {
	ID     any    `json:"id"`
	Method string `json:"method"`
	Params []any  `json:"params"`
}

// backlog is how many messages may wait for a client; one that reads no more is cut off.
const backlog = 256

// serveOVSDB answers one client until the connection ends.
func (s *Switch) serveOVSDB(c net.Conn) error {
	out := make(chan any, backlog)
	var writing sync.WaitGroup
	writing.Go(func() {
		enc := json.NewEncoder(c)
		for v := range out {
			if enc.Encode(v) != nil {
				_ = c.Close() // so the reader ends, too
			}
		}
	})
	m := &monitor{out: out}
	err := s.readOVSDB(c, m)
	s.mu.Lock()
	delete(s.rows.monitors, m)
	close(out)
	s.mu.Unlock()
	writing.Wait()
	return err
}

func (s *Switch) readOVSDB(c net.Conn, m *monitor) error {
	in := json.NewDecoder(bufio.NewReader(c))
	for {
		var q request
		if err := in.Decode(&q); err != nil {
			return err
		}
		if q.Method == "" {
			continue // a reply
		}
		if err := s.answer(q, m); err != nil {
			return err
		}
	}
}

var errSlow = errors.New("the client reads nothing")

// answer handles one request.
func (s *Switch) answer(q request, m *monitor) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var result any
	var err error
	switch q.Method {
	case "echo":
		result = q.Params
	case "get_schema":
		result = described()
	case "monitor_cond_since":
		result, err = s.rows.monitor(q, m)
	case "transact":
		result, err = s.rows.request(q)
	default:
		err = fmt.Errorf("unknown method %q", q.Method)
	}
	reply := response{ID: q.ID, Result: result}
	if err != nil {
		reply.Error = err.Error()
	}
	select {
	case m.out <- reply:
		return nil
	default:
		return errSlow
	}
}

const transactionID = "00000000-0000-4000-8000-000000000001"

// monitor begins to follow, ovsdb-server(7) section 4.1.15, always with the whole state.
func (d *database) monitor(q request, m *monitor) (any, error) {
	if len(q.Params) < 3 {
		return nil, errors.New("monitor_cond_since: too few parameters")
	}
	var wanted map[string][]struct {
		Columns []string `json:"columns"`
	}
	if err := json.Unmarshal(q.Params[2], &wanted); err != nil {
		return nil, err
	}
	m.id, m.columns = q.Params[1], map[string][]string{}
	for table, list := range wanted {
		for _, w := range list {
			m.columns[table] = append(m.columns[table], w.Columns...)
		}
	}
	d.monitors[m] = struct{}{}
	return []any{false, transactionID, m.updates(tables{}, d.now, "initial")}, nil
}

func (d *database) request(q request) (any, error) {
	if len(q.Params) == 0 {
		return nil, errors.New("transact: no database")
	}
	var ops []operation
	for _, raw := range q.Params[1:] {
		var op operation
		dec := json.NewDecoder(bytesOf(raw))
		dec.UseNumber()
		if err := dec.Decode(&op); err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	results, before := d.transact(ops)
	if before != nil {
		d.tell(before)
	}
	return results, nil
}

// tell says to all monitors what changed. One that does not listen misses it, and the reply to its next
// request then fails.
func (d *database) tell(before tables) {
	for m := range d.monitors {
		u := m.updates(before, d.now, "insert")
		if len(u) == 0 {
			continue
		}
		select {
		case m.out <- notification{Method: "update3", Params: []any{m.id, transactionID, u}}:
		default:
		}
	}
}

// updates are the differences in the columns of the monitor: <table-updates2>.
func (m *monitor) updates(old, now tables, came string) map[string]map[string]any {
	u := map[string]map[string]any{}
	note := func(table, id string, update any) {
		if u[table] == nil {
			u[table] = map[string]any{}
		}
		u[table][id] = update
	}
	for table, columns := range m.columns {
		shapes := schema()[table]
		for id, r := range now[table] {
			was, known := old[table][id]
			if !known {
				note(table, id, map[string]any{came: r.part(columns)})
			} else if d := difference(was, r, columns, shapes); len(d) > 0 {
				note(table, id, map[string]any{"modify": d})
			}
		}
		for id := range old[table] {
			if _, there := now[table][id]; !there {
				note(table, id, map[string]any{"delete": nil})
			}
		}
	}
	return u
}

func (r row) part(columns []string) row {
	p := row{}
	for _, c := range columns {
		p[c] = r[c]
	}
	return p
}

// difference is what a modified row's columns say: of sets and maps only what differs.
func difference(old, now row, columns []string, shapes map[string]shape) row {
	d := row{}
	for _, c := range columns {
		a, b := elements(old[c]), elements(now[c])
		switch s := shapes[c]; {
		case reflect.DeepEqual(a, b):
		case s == set:
			if x := append(without(a, b), without(b, a)...); len(x) > 0 {
				d[c] = []any{"set", x}
			}
		case s == dict:
			came := without(b, a)
			gone := missing(without(a, b), came, dict)
			if x := append(gone, came...); len(x) > 0 {
				d[c] = []any{"map", x}
			}
		default:
			d[c] = now[c]
		}
	}
	return d
}

// without are the items of a that b lacks.
func without(a, b []any) []any {
	return slices.DeleteFunc(slices.Clone(a), func(x any) bool {
		return slices.ContainsFunc(b, func(y any) bool { return reflect.DeepEqual(x, y) })
	})
}
