package etcd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// page is how many keys one read of a scope asks for.
const page = 1000

// content reads a scope as of one revision and returns its items in order, the revision, and how many
// keys etcd has there (those that are no keys of ours included).
func (d *driver) content(ctx context.Context, scope db.Scope) ([]db.Item, db.Revision, int64, error) {
	begin, end := d.span(scope)
	var items []db.Item
	var rev, count int64
	for from := begin; ; {
		opts := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(page), clientv3.WithRev(rev)}
		resp, err := d.client.Get(ctx, from, opts...)
		if err != nil {
			return nil, 0, 0, err
		}
		if rev == 0 {
			rev, count = resp.Header.Revision, resp.Count
			items = make([]db.Item, 0, count)
		}
		for _, kv := range resp.Kvs {
			if it, ok := item(kv, scope, len(begin)); ok {
				items = append(items, it)
			}
		}
		if !resp.More || len(resp.Kvs) == 0 {
			break
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
	compare := func(a, b db.Item) int { return db.CompareKeys(a.Key, b.Key) }
	if !slices.IsSortedFunc(items, compare) { // escaped keys sort elsewhere
		slices.SortFunc(items, compare)
	}
	return items, db.Revision(rev), count, nil
}

// item reads a key-value; what is no key of ours is left alone.
func item(kv *mvccpb.KeyValue, scope db.Scope, prefix int) (db.Item, bool) {
	key, err := scope.ParsePath(string(kv.Key[prefix:]))
	return db.Item{Key: key, Value: kv.Value, Revision: db.Revision(kv.ModRevision), Lease: db.LeaseID(kv.Lease)}, err == nil
}

// scopes asks for the first key, then for the first beyond its scope, and so on.
func (d *driver) scopes(ctx context.Context) ([]db.Scope, error) {
	if d.ctx.Err() != nil {
		return nil, fmt.Errorf("list scopes: %w", db.ErrClosed)
	}
	var out []db.Scope
	last := d.root[:len(d.root)-1] + "0" // the byte after '/'
	for from := d.root; ; {
		call, cancel, err := d.call(ctx)
		if err != nil {
			return nil, fmt.Errorf("list scopes: %w", err)
		}
		resp, err := d.client.Get(call, from, clientv3.WithRange(last), clientv3.WithLimit(1), clientv3.WithKeysOnly())
		err = d.explainIf(call, err)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("list scopes: %w", err)
		}
		if len(resp.Kvs) == 0 {
			break
		}
		found := string(resp.Kvs[0].Key)
		path, _, _ := strings.Cut(found[len(d.root):], ":")
		if scope, err := db.ParseScopePath(path); err == nil {
			out = append(out, scope)
		}
		from = d.root + path + ";"
		if from <= found { // no colon in a foreign key
			from = found + "\x00"
		}
	}
	slices.Sort(out)
	return out, nil
}

func (d *driver) explainIf(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return d.explain(ctx, err)
}
