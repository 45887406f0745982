package redis

import (
	"errors"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

var errMessage = errors.New("malformed message")

// message is what the scripts publish: the scope's new revision, the one before, and the changes.
type message struct {
	rev, prev db.Revision
	events    []db.Event
}

// parseMessage reads "rev prev\n" and changes, each "P field value lease\n" or "D field\n" with the
// lengths of what follows.
func parseMessage(scope db.Scope, payload string) (message, error) {
	head, rest, ok := strings.Cut(payload, "\n")
	n, err := ints(head, 2)
	if !ok || err != nil || n[0] <= n[1] {
		return message{}, errMessage
	}
	m := message{rev: db.Revision(n[0]), prev: db.Revision(n[1])}
	for rest != "" {
		head, rest, ok = strings.Cut(rest, "\n")
		if !ok || len(head) < 2 {
			return message{}, errMessage
		}
		var ev db.Event
		if ev, rest, err = parseChange(scope, head, rest); err != nil {
			return message{}, err
		}
		if ev.Item.Key.ID == "" {
			continue // not ours
		}
		ev.Item.Revision = m.rev
		m.events = append(m.events, ev)
	}
	return m, nil
}

func parseChange(scope db.Scope, head, rest string) (db.Event, string, error) {
	ev := db.Event{Type: db.Changed}
	lengths := 3
	if head[0] == 'D' {
		ev.Type, lengths = db.Removed, 1
	} else if head[0] != 'P' {
		return ev, "", errMessage
	}
	n, err := ints(head[2:], lengths)
	if err != nil || n[0] > int64(len(rest)) {
		return ev, "", errMessage
	}
	name := rest[:n[0]]
	rest = rest[n[0]:]
	if ev.Type == db.Changed {
		if n[1] > int64(len(rest)) {
			return ev, "", errMessage
		}
		ev.Item.Value, ev.Item.Lease = []byte(rest[:n[1]]), db.LeaseID(n[2])
		rest = rest[n[1]:]
	}
	if key, err := scope.ParsePath(name); err == nil {
		ev.Item.Key = key
	}
	return ev, rest, nil
}

// ints reads exactly so many numbers, none negative.
func ints(s string, count int) ([]int64, error) {
	parts := strings.Split(s, " ")
	if len(parts) != count {
		return nil, errMessage
	}
	out := make([]int64, count)
	for i, p := range parts {
		n, err := strconv.ParseInt(p, 10, 64)
		if err != nil || n < 0 {
			return nil, errMessage
		}
		out[i] = n
	}
	return out, nil
}
