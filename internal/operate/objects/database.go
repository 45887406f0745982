package objects

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/northbound"
)

// FromDatabase reads the objects of a kind from the northbound database; a name, if not empty, is an id
// or a name. It reads every scope of the database.
func FromDatabase(ctx context.Context, store *northbound.Store, k Kind, name string) ([]Object, error) {
	scopes, err := store.Connection().Scopes(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the scopes of the database: %w", err)
	}
	list := []Object{}
	for _, scope := range scopes {
		if northbound.IsTombstoneScope(scope) {
			continue
		}
		entries, _, err := store.List(ctx, string(scope))
		if err != nil {
			return nil, fmt.Errorf("read scope %s: %w", scope, err)
		}
		for _, e := range entries {
			if e.Key.Kind != string(k.Stored) {
				continue
			}
			o := Object{}
			if err := json.Unmarshal(e.Raw, &o); err != nil {
				o = Object{"id": e.Key.ID, "error": fmt.Sprintf("not readable: %v", err)}
			}
			if e.Err != nil && o["error"] == nil {
				o["error"] = e.Err.Error()
			}
			if name == "" || o["id"] == name || o["name"] == name {
				list = append(list, o)
			}
		}
	}
	slices.SortFunc(list, compare)
	return list, nil
}

func compare(a, b Object) int {
	text := func(o Object, field string) string { s, _ := o[field].(string); return s }
	return cmp.Or(strings.Compare(text(a, "name"), text(b, "name")), strings.Compare(text(a, "id"), text(b, "id")))
}
