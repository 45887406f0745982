package ovsdb

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Sharing is how a device shares what it sends between queues, by Linux' hierarchical token buckets ("linux-htb"). All
// rates are in bits a second.
type Sharing struct {
	// Port is the device's, on a bridge of anybody.
	Port string
	// Owner is the value of OwnerKey, and ExternalIDs tell whose it is. Neither is empty.
	Owner       string
	ExternalIDs map[string]string
	// Rate is what the device sends at most.
	Rate int
	// Queues are what each gets at least, by number. Each may have all that is left. Queue 0 is that of packets for which
	// none is set; without it they would go before all others.
	Queues map[int]int
}

func (s Sharing) object() string { return "qos of port " + strconv.Quote(s.Port) }

func (s Sharing) ids() map[string]string {
	ids := map[string]string{OwnerKey: s.Owner}
	maps.Copy(ids, s.ExternalIDs)
	return ids
}

func (s Sharing) rates(queue int) map[string]string {
	rates := map[string]string{"max-rate": strconv.Itoa(s.Rate)}
	if least := s.Queues[queue]; least > 0 {
		rates["min-rate"] = strconv.Itoa(least)
	}
	return rates
}

// owns reports whether a row of the table QoS is this one's.
func (s Sharing) owns(q *QoS) bool {
	for k, v := range s.ids() {
		if q.ExternalIDs[k] != v {
			return false
		}
	}
	return true
}

// Share makes the device share as it should. A device that has another row of the table QoS is left as it is: an error
// that wraps ErrForeign.
func Share(db *DB, s Sharing) (Txn, error) {
	port := db.Port(s.Port)
	if port == nil {
		return Txn{}, fmt.Errorf("share what port %q sends: there is none", s.Port)
	}
	if port.QoS == "" {
		return s.create(port), nil
	}
	q := db.QoS(port.QoS)
	if q == nil || !s.owns(q) {
		return Txn{}, fmt.Errorf("share what port %q sends: its qos is %w", s.Port, ErrForeign)
	}
	return s.correct(db, q), nil
}

func (s Sharing) create(port *Port) Txn {
	var t Txn
	queues := map[int]any{}
	for _, id := range sortedKeys(s.Queues) {
		queues[id] = s.insertQueue(&t, id)
	}
	q := t.insert(s.object(), TableQoS, s.Port, map[string]any{
		"type": "linux-htb", "other_config": mapValue(s.config()), "queues": mapValue(queues), "external_ids": mapValue(s.ids()),
	})
	t.update(s.object(), port, map[string]any{"qos": q})
	return t
}

func (s Sharing) config() map[string]string {
	return map[string]string{"max-rate": strconv.Itoa(s.Rate)}
}

func (s Sharing) insertQueue(t *Txn, id int) any {
	return t.insert(s.object(), TableQueue, s.Port+"/"+strconv.Itoa(id),
		map[string]any{"other_config": mapValue(s.rates(id)), "external_ids": mapValue(s.ids())})
}

func (s Sharing) correct(db *DB, q *QoS) Txn {
	var t Txn
	if q.Type != "linux-htb" || !maps.Equal(q.OtherConfig, s.config()) {
		t.update(s.object(), q, map[string]any{"type": "linux-htb", "other_config": mapValue(s.config())})
	}
	came := map[int]any{}
	for _, id := range sortedKeys(s.Queues) {
		row := db.Queue(q.Queues[id])
		switch {
		case row == nil:
			came[id] = s.insertQueue(&t, id)
		case !maps.Equal(row.OtherConfig, s.rates(id)):
			t.update(s.object(), row, map[string]any{"other_config": mapValue(s.rates(id))})
		}
	}
	var gone []int
	for _, id := range sortedKeys(q.Queues) {
		if _, wanted := s.Queues[id]; !wanted {
			gone = append(gone, id)
		}
	}
	var mutations []any
	if len(gone) > 0 {
		mutations = append(mutations, []any{"queues", "delete", setValue(gone)})
	}
	if len(came) > 0 {
		mutations = append(mutations, []any{"queues", "insert", mapValue(came)})
	}
	if len(mutations) > 0 {
		t.mutate(s.object(), q, mutations...)
	}
	for _, id := range gone {
		if row := db.Queue(q.Queues[id]); row != nil {
			t.remove(s.object(), row)
		}
	}
	return t
}

// Unshare takes rows of the table QoS that have all of these external_ids away from the ports that have them and are not
// to be kept, with their queues; and such rows, and queues, that no port has any more.
func Unshare(db *DB, ids map[string]string, keep func(port string) bool) Txn {
	var t Txn
	is := func(have map[string]string) bool {
		for k, v := range ids {
			if have[k] != v {
				return false
			}
		}
		return true
	}
	kept := map[UUID]bool{}
	for _, id := range slices.Sorted(maps.Keys(db.rows[TablePort])) {
		port := get[*Port](db.rows[TablePort], id)
		q := db.QoS(port.QoS)
		switch {
		case q == nil || !is(q.ExternalIDs):
		case keep(port.Name):
			kept[q.UUID] = true
			for _, queue := range q.Queues {
				kept[queue] = true
			}
		default:
			t.update("qos of port "+strconv.Quote(port.Name), port, map[string]any{"qos": setValue[any](nil)})
		}
	}
	for _, table := range []Table{TableQoS, TableQueue} {
		for _, id := range slices.Sorted(maps.Keys(db.rows[table])) {
			row := db.rows[table][id]
			if !kept[id] && is(externalIDs(row)) {
				t.remove("qos", row)
			}
		}
	}
	return t
}
