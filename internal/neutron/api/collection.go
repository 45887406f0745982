package api

import (
	"context"
	"errors"
	"net/http"
	"reflect"

	"github.com/google/uuid"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// operations is what differs between the types of resources.
type operations interface {
	// create checks a new row, fills in what the client left open, and adds it to the batch.
	create(t *rows.Txn, row resource.Row, given resource.Given) error
	// update does the same for a changed row. Old has been read in the batch.
	update(t *rows.Txn, old, row resource.Row, given resource.Given) error
	// delete removes the resource if its revision is as wanted (-1: any).
	delete(ctx context.Context, id string, revision int64) error
}

// collection serves one type of resource.
type collection struct {
	server   *Server
	typ      *resource.Type
	ops      operations
	taggable bool
	// actions are answers to PUT on a resource's path and their name.
	actions map[string]action
	// rows, if set, are the resources; else they are in the store.
	rows func() []resource.Row
	// decorate fills in what is shown but not stored.
	decorate func(resource.Row) resource.Row
}

// action does something with the resource of an id.
type action func(w http.ResponseWriter, r *http.Request, id string) error

func (c *collection) view(row resource.Row, fields map[string]bool) resource.Object {
	if c.decorate != nil {
		row = c.decorate(row)
	}
	return c.typ.Show(row, fields)
}

func (c *collection) create(w http.ResponseWriter, r *http.Request) error {
	caller, err := project(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	list, bulk, err := items(c.typ, body, true)
	if err != nil {
		return err
	}
	news := make([]newRow, len(list))
	for i, item := range list {
		if news[i], err = c.parse(item, caller); err != nil {
			return err
		}
	}
	if err := c.createAll(r.Context(), news); err != nil {
		return err
	}
	if err := c.afterCreate(r.Context(), news); err != nil {
		return err
	}
	shown := make([]resource.Object, len(news))
	for i, n := range news {
		row, err := c.server.store.Get(r.Context(), c.typ.Kind, n.row.Base().ID)
		if err != nil {
			return err
		}
		shown[i] = c.view(row, nil)
	}
	if bulk {
		answer(w, http.StatusCreated, map[string]any{c.typ.Plural: shown})
	} else {
		answer(w, http.StatusCreated, map[string]any{c.typ.Singular: shown[0]})
	}
	return nil
}

// newRow is a resource as a client asked for it.
type newRow struct {
	row   resource.Row
	given resource.Given
}

func (c *collection) parse(item map[string]any, caller string) (newRow, error) {
	row, given, err := c.typ.Create(item)
	if err != nil {
		return newRow{}, err
	}
	base := row.Base()
	base.ID = uuid.NewString()
	if base.ProjectID == "" {
		base.ProjectID = caller
	}
	return newRow{row, given}, nil
}

// createAll creates all or none. What does not fit into one batch is created in several, and removed
// again if a later one fails.
func (c *collection) createAll(ctx context.Context, news []newRow) error {
	err := c.server.store.Update(ctx, func(t *rows.Txn) error {
		for _, n := range news {
			row := n.row.Clone()
			c.server.stamp(row, 1)
			if err := c.ops.create(t, row, n.given); err != nil {
				return err
			}
			if len(news) > 1 && t.Size() > c.server.opts.DB.Capabilities.AtomicOps {
				return db.ErrBatchTooLarge
			}
		}
		return nil
	})
	if !errors.Is(err, db.ErrBatchTooLarge) || len(news) == 1 {
		return err
	}
	half := len(news) / 2
	if err := c.createAll(ctx, news[:half]); err != nil {
		return err
	}
	if err := c.createAll(ctx, news[half:]); err != nil {
		return errors.Join(err, c.rollBack(ctx, news[:half]))
	}
	return nil
}

// afterCreate does what follows from new resources and is not part of their batch. What it does not do
// because the server dies or the database goes away, the audit does.
func (c *collection) afterCreate(ctx context.Context, news []newRow) error {
	follow, ok := c.ops.(interface {
		created(ctx context.Context, row resource.Row) error
	})
	if !ok {
		return nil
	}
	for _, n := range news {
		row, err := c.server.store.Get(ctx, c.typ.Kind, n.row.Base().ID)
		if err != nil {
			return err
		}
		if err := follow.created(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) rollBack(ctx context.Context, news []newRow) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.server.opts.RequestTimeout)
	defer cancel()
	var failed error
	for _, n := range news {
		failed = errors.Join(failed, c.ops.delete(ctx, n.row.Base().ID, -1))
	}
	return failed
}

// stamp sets the standard attributes of a row that is about to be written.
func (s *Server) stamp(row resource.Row, revision int64) {
	if _, own := row.(*resource.ActiveAddress); s.opts.Neutron && !own {
		return // it is Neutron that counts
	}
	base := row.Base()
	base.UpdatedAt = s.now().UTC()
	base.Revision = revision
	if revision == 1 {
		base.CreatedAt = base.UpdatedAt
	}
}

func (c *collection) show(w http.ResponseWriter, r *http.Request, id string) error {
	row, err := c.server.store.Get(r.Context(), c.typ.Kind, id)
	if errors.Is(err, db.ErrNotFound) {
		return c.typ.NotFound(id)
	}
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]any{c.typ.Singular: c.view(row, fields(r))})
	return nil
}

func (c *collection) update(w http.ResponseWriter, r *http.Request, id string) error {
	want, err := ifMatch(r)
	if err != nil {
		return err
	}
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	list, _, err := items(c.typ, body, false)
	if err != nil {
		return err
	}
	row, err := c.change(r.Context(), id, want, func(old resource.Row) (resource.Row, resource.Given, error) {
		return c.typ.Update(old, list[0])
	})
	if err != nil {
		return err
	}
	answer(w, http.StatusOK, map[string]any{c.typ.Singular: c.view(row, nil)})
	return nil
}

// change writes a row anew as edit makes it of the old one. A change that changes nothing is not written. What follows
// from a change and is not part of its batch is done afterwards, by the audit if not here.
func (c *collection) change(
	ctx context.Context, id string, want int64, edit func(resource.Row) (resource.Row, resource.Given, error),
) (resource.Row, error) {
	err := c.server.store.Update(ctx, func(t *rows.Txn) error {
		old, err := t.Get(c.typ, id)
		if err != nil {
			return err
		}
		if err := checkRevision(old, want); err != nil {
			return err
		}
		row, given, err := edit(old)
		if err != nil {
			return err
		}
		if reflect.DeepEqual(old, row) {
			return nil
		}
		c.server.stamp(row, old.Base().Revision+1)
		return c.ops.update(t, old, row, given)
	})
	if err != nil {
		return nil, err
	}
	row, err := c.server.store.Get(ctx, c.typ.Kind, id)
	if errors.Is(err, db.ErrNotFound) {
		return nil, c.typ.NotFound(id)
	}
	if err != nil {
		return nil, err
	}
	if follow, ok := c.ops.(interface {
		updated(ctx context.Context, row resource.Row) error
	}); ok {
		err = follow.updated(ctx, row)
	}
	return row, err
}

func (c *collection) delete(w http.ResponseWriter, r *http.Request, id string) error {
	want, err := ifMatch(r)
	if err != nil {
		return err
	}
	if err := c.ops.delete(r.Context(), id, want); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// fresh waits shortly for a cache that is behind.
func (s *Server) fresh(ctx context.Context) error {
	if s.store.Live() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.RequestTimeout/5)
	defer cancel()
	return s.store.WaitLive(ctx)
}

// missing turns the database's way of saying that a resource does not exist into the API's.
func (c *collection) missing(err error, id string) error {
	if errors.Is(err, db.ErrNotFound) {
		return c.typ.NotFound(id)
	}
	return err
}
