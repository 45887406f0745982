package ovsdb

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Txn is a transaction to come: operations that happen together or not at all.
// The zero value does nothing.
type Txn struct {
	ops     []operation
	objects []string // per operation, for errors
}

// operation is one of RFC 7047 section 5.2, with the members that we use.
type operation struct {
	Op        string         `json:"op"`
	Table     string         `json:"table,omitempty"`
	Where     []any          `json:"where,omitempty"`
	Row       map[string]any `json:"row,omitempty"`
	UUIDName  string         `json:"uuid-name,omitempty"`
	Mutations []any          `json:"mutations,omitempty"`
	Columns   []string       `json:"columns,omitempty"`
	Rows      []any          `json:"rows,omitempty"`
	Until     string         `json:"until,omitempty"`
	Timeout   *int           `json:"timeout,omitempty"`
}

// Empty says whether there is nothing to do.
func (t Txn) Empty() bool { return len(t.ops) == 0 }

// Join makes one transaction of many.
func Join(txns ...Txn) Txn {
	n := 0
	for _, t := range txns {
		n += len(t.ops)
	}
	out := Txn{ops: make([]operation, 0, n), objects: make([]string, 0, n)}
	for _, t := range txns {
		out.ops = append(out.ops, t.ops...)
		out.objects = append(out.objects, t.objects...)
	}
	return out
}

// add appends an operation. object is what an error names, such as `bridge "br-int"`.
func (t *Txn) add(object string, op operation) {
	t.ops = append(t.ops, op)
	t.objects = append(t.objects, object)
}

// insert makes a row, to which the same transaction can refer by the returned value.
func (t *Txn) insert(object string, table Table, name string, row map[string]any) any {
	id := symbol(table, name)
	t.add(object, operation{Op: "insert", Table: table.String(), UUIDName: id, Row: row})
	return namedUUID(id)
}

// symbol is a <id> made of what the row is, so that joined transactions do not
// clash by accident.
func symbol(table Table, name string) string {
	return table.String() + "_" + hex.EncodeToString([]byte(name))
}

// update sets columns of an existing row.
func (t *Txn) update(object string, r Row, row map[string]any) {
	t.expect(object, r)
	t.add(object, operation{Op: "update", Table: r.Table().String(), Where: where(r), Row: row})
}

// mutate changes sets and maps of an existing row. Each mutation is
// [column, "insert" or "delete", value].
func (t *Txn) mutate(object string, r Row, mutations ...any) {
	t.expect(object, r)
	t.add(object, operation{Op: "mutate", Table: r.Table().String(), Where: where(r), Mutations: mutations})
}

// remove deletes an existing row of a table whose rows stay when nothing refers to them.
func (t *Txn) remove(object string, r Row) {
	t.add(object, operation{Op: "delete", Table: r.Table().String(), Where: where(r)})
}

// expect lets the whole transaction fail if the row is no longer there: by
// itself, an update that matches no row succeeds.
func (t *Txn) expect(object string, r Row) {
	now := 0
	t.add(object, operation{
		Op: "wait", Table: r.Table().String(), Where: where(r), Timeout: &now,
		Columns: []string{"_uuid"}, Until: "==", Rows: []any{map[string]any{"_uuid": uuidValue(r.ID())}},
	})
}

func where(r Row) []any { return []any{[3]any{"_uuid", "==", uuidValue(r.ID())}} }

// String shows the transaction as it is sent, without the guards.
func (t Txn) String() string {
	var ops []operation
	for _, op := range t.ops {
		if op.Op != "wait" {
			ops = append(ops, op)
		}
	}
	b, err := json.Marshal(ops)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Step is an operation of a transaction in words.
type Step struct {
	// Object is whose it is, such as `bridge "br-int"`, and Table where.
	Object, Table string
	// Op is insert, update, mutate or delete, and What the columns.
	Op, What string
}

// Steps lists what a transaction would do, without the guards.
func (t Txn) Steps() []Step {
	var out []Step
	for i, op := range t.ops {
		if op.Op == "wait" {
			continue
		}
		var columns any = op.Row
		if op.Row == nil {
			columns = op.Mutations
		}
		text, err := json.Marshal(columns)
		if err != nil {
			text = []byte(err.Error())
		}
		out = append(out, Step{Object: t.objects[i], Table: op.Table, Op: op.Op, What: string(text)})
	}
	return out
}

var (
	// ErrChanged says that the database was no longer as the transaction expected,
	// and that nothing of it happened. The events tell what changed.
	ErrChanged = errors.New("the database changed meanwhile")
	// ErrUncertain says that the transaction may have happened or not: the
	// connection or the time ended before the reply. The events will tell.
	ErrUncertain = errors.New("outcome unknown")
)

// OpError is a transaction that the database refused; nothing of it happened.
type OpError struct {
	Op, Table string // of the refused operation; empty if refused at commit
	Object    string // what it was about
	Code      string // such as "constraint violation", RFC 7047 section 3.1
	Details   string
}

// Error names operation, object and the database's reason.
func (e *OpError) Error() string {
	at := "commit"
	if e.Op != "" {
		at = e.Op + " " + e.Table
		if e.Object != "" {
			at += " for " + e.Object
		}
	}
	text := fmt.Sprintf("OVSDB refused %s: %s", at, e.Code)
	if e.Details != "" {
		text += ": " + e.Details
	}
	return text
}

// Transact does the transaction, unless it is empty, and returns when it
// happened. Errors: ErrNotConnected, ErrChanged, ErrUncertain, an *OpError, or
// the context's. It may be called by many goroutines at once.
func (c *Client) Transact(ctx context.Context, t Txn) error {
	if t.Empty() {
		return nil
	}
	c.mu.Lock()
	cn := c.conn
	c.mu.Unlock()
	if cn == nil {
		return fmt.Errorf("transact for %s: %w", t.objects[0], ErrNotConnected)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.cfg.CallTimeout, fmt.Errorf("no reply within %v", c.cfg.CallTimeout))
	defer cancel()
	params := []any{database}
	for _, op := range t.ops {
		params = append(params, op)
	}
	raw, sent, err := cn.call(ctx, "transact", params)
	if refused := (*rpcError)(nil); err != nil && sent && !errors.As(err, &refused) {
		return fmt.Errorf("transact for %s: %w: %w", t.objects[0], ErrUncertain, err)
	}
	if err != nil {
		return fmt.Errorf("transact for %s: %w", t.objects[0], err)
	}
	if err := t.outcome(raw); err != nil {
		return fmt.Errorf("transact for %s: %w", t.objects[0], err)
	}
	return nil
}

// outcome reads the reply: one result per operation, and one more if the commit
// was refused.
func (t Txn) outcome(raw json.RawMessage) error {
	var results []*struct {
		Error   string `json:"error"`
		Details string `json:"details"`
	}
	if err := json.Unmarshal(raw, &results); err != nil {
		return fmt.Errorf("%w: reply %s: %w", ErrUncertain, short(raw), err)
	}
	for i, r := range results {
		if r == nil || r.Error == "" {
			continue
		}
		e := &OpError{Code: r.Error, Details: r.Details}
		if i < len(t.ops) {
			e.Op, e.Table, e.Object = t.ops[i].Op, t.ops[i].Table, t.objects[i]
			if e.Op == "wait" && e.Code == "timed out" {
				return fmt.Errorf("%w: %s is gone", ErrChanged, e.Object)
			}
		}
		return e
	}
	if len(results) < len(t.ops) {
		return fmt.Errorf("%w: reply with %d results for %d operations", ErrUncertain, len(results), len(t.ops))
	}
	return nil
}
