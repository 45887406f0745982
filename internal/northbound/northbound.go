// Package northbound is Dragonflow's side of the database of the logical topology: it opens the
// database that a URL names, reads and writes the model's objects in it by their own revisions ([Store],
// [Txn]), follows the scopes that a chassis needs ([Subscriber]) and keeps a chassis' sign of life
// ([Register]).
//
// What comes out of a database is hostile until it is decoded: an object that cannot be read is an
// event or an entry with an error, and stops nothing else.
package northbound

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// DefaultPrefix begins every key of Dragonflow in a database that others use too.
const DefaultPrefix = "/dragonflow"

// Options say how to open a database.
type Options struct {
	// Prefix begins every key; empty is DefaultPrefix.
	Prefix string
}

// Open connects to the database that a URL names, such as memory://. It does not wait for the database
// to be reachable. The caller closes the connection.
func Open(_ context.Context, rawURL string, _ Options) (*db.Connection, error) {
	scheme, _, ok := strings.Cut(rawURL, "://")
	if !ok {
		return nil, fmt.Errorf("database %q is not a URL such as memory://", redact(rawURL))
	}
	switch scheme {
	case "memory":
		return memory.Open(), nil
	}
	return nil, fmt.Errorf("database %q: unknown scheme %q; known are memory", redact(rawURL), scheme)
}

// redact hides the password of a URL.
func redact(rawURL string) string {
	if u, err := url.Parse(rawURL); err == nil {
		return u.Redacted()
	}
	scheme, _, _ := strings.Cut(rawURL, "://")
	return scheme + "://…"
}
