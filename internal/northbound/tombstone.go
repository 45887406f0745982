package northbound

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// tombstoneAge is how long a deletion is remembered; an update that comes later than that after the
// deletion it lost against is not expected.
const tombstoneAge = time.Hour

// tombstoneScope is where the deletions of a scope are remembered. Nobody watches it, so that a
// deletion costs the chassis nothing beyond itself.
const tombstoneScope = "deleted/"

// tombstone remembers that an object was deleted at a revision.
type tombstone struct {
	Revision int64     `json:"revision"`
	Deleted  time.Time `json:"deleted"`
	Schema   int       `json:"schema"`
}

func tombstoneKey(k db.Key) db.Key {
	k.Scope = tombstoneScope + k.Scope
	return k
}

// TombstoneKey is where the deletion of what lies under a key is remembered.
func TombstoneKey(k db.Key) db.Key { return tombstoneKey(k) }

// EncodeTombstone returns the memory of a deletion, for who writes it together with the deletion.
func EncodeTombstone(revision int64, deleted time.Time) ([]byte, error) {
	return json.Marshal(tombstone{Revision: revision, Deleted: deleted.UTC(), Schema: model.SchemaVersion})
}

// IsTombstoneScope reports whether a scope of the database holds only the memory of deletions.
func IsTombstoneScope(scope db.Scope) bool { return strings.HasPrefix(string(scope), tombstoneScope) }

func (s *Store) tombstone(ctx context.Context, key db.Key) (tombstone, db.Revision, error) {
	it, err := s.conn.Get(ctx, tombstoneKey(key))
	if isNotFound(err) {
		return tombstone{}, 0, nil
	}
	if err != nil {
		return tombstone{}, 0, err
	}
	var t tombstone
	if err := json.Unmarshal(it.Value, &t); err != nil {
		return tombstone{}, 0, fmt.Errorf("tombstone of %s: %w", key, err)
	}
	return t, it.Revision, nil
}

func (s *Store) encodeTombstone(revision int64) ([]byte, error) {
	return json.Marshal(tombstone{Revision: revision, Deleted: s.now().UTC(), Schema: model.SchemaVersion})
}

// SweepTombstones forgets deletions that are older than an hour and returns how many. The server calls
// it now and then; several may at once.
func (s *Store) SweepTombstones(ctx context.Context) (int, error) {
	scopes, err := s.conn.Scopes(ctx)
	if err != nil {
		return 0, fmt.Errorf("sweep tombstones: %w", err)
	}
	swept := 0
	var failed error
	for _, scope := range scopes {
		if IsTombstoneScope(scope) {
			n, err := s.sweepScope(ctx, scope)
			swept += n
			failed = errors.Join(failed, err)
		}
	}
	if failed != nil {
		return swept, fmt.Errorf("sweep tombstones: %w", failed)
	}
	return swept, nil
}

func (s *Store) sweepScope(ctx context.Context, scope db.Scope) (int, error) {
	items, _, err := s.conn.List(ctx, scope)
	if err != nil {
		return 0, err
	}
	swept := 0
	for _, it := range items {
		var t tombstone
		if json.Unmarshal(it.Value, &t) == nil && s.now().Sub(t.Deleted) < tombstoneAge {
			continue
		}
		_, err := s.conn.Apply(ctx, []db.Op{{Verb: db.Delete, Key: it.Key, If: it.Revision}})
		if err == nil {
			swept++
		} else if !isConflict(err) {
			return swept, err
		}
	}
	return swept, nil
}

func isNotFound(err error) bool { return errors.Is(err, db.ErrNotFound) }

func isConflict(err error) bool {
	var c *db.ConflictError
	return errors.As(err, &c)
}
