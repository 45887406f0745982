package controller

import (
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/vswitch/reconcile"
)

// portTracker knows which served ports the switch has confirmed.
type portTracker struct {
	// dirty are ports whose state may differ from what was reported.
	dirty map[string]struct{}
	// unsettled are ports some of whose rules wait or failed; they are looked at again after each step.
	unsettled map[string]struct{}
	// due are ports that are complete in the view, and count as up once the switch confirms what is on
	// its way to it.
	due map[string]portState
	// claimed are bound ports that were due to be up: when they are served no more, that is to be reported.
	claimed map[string]struct{}
	// lacking are ports of which the switch refuses flows.
	lacking map[string]struct{}
}

// lacks notes the ports that want a flow which the switch refuses: they are not up, whatever else it took.
func (t *portTracker) lacks(c *Controller, r reconcile.Refusal) {
	x, wanted := c.engine.Explain(r.Flow.Key())
	if r.What != "" || !wanted {
		return
	}
	for _, o := range x.Owners {
		if o.Kind == view.LocalPorts.Name() {
			t.lacking[o.Key] = struct{}{}
			t.dirty[o.Key] = struct{}{}
		}
	}
}

// forgive has the ports that lacked flows looked at again, after everything was tried again.
func (t *portTracker) forgive() {
	for id := range t.lacking {
		t.dirty[id] = struct{}{}
	}
	clear(t.lacking)
}

// portState is what is reported of a port; gone says that it is not served here.
type portState struct {
	network  string
	revision int64
	gone     bool
	// from is where the active binding is, if the guest was heard here although it is elsewhere.
	from string
}

func newPortTracker() portTracker {
	return portTracker{dirty: map[string]struct{}{}, unsettled: map[string]struct{}{}, due: map[string]portState{}, claimed: map[string]struct{}{}, lacking: map[string]struct{}{}}
}

func (t *portTracker) changed(ids []string) {
	for _, id := range ids {
		t.dirty[id] = struct{}{}
	}
}

// settle looks at the ports that changed, after a step.
func (t *portTracker) settle(c *Controller) {
	for id := range t.unsettled {
		t.dirty[id] = struct{}{}
	}
	clear(t.unsettled)
	for id := range t.dirty {
		row, served := c.db.Row(view.LocalPorts, id)
		switch {
		case !served:
			// A bound port that never was up here needs no report.
			if _, claimed := t.claimed[id]; claimed || c.reporter.has(id) {
				t.due[id] = portState{gone: true, network: c.networkOf(id)}
			}
			if !c.db.Has(view.Bindings, id) {
				delete(t.claimed, id)
			}
		case c.engine.Settled(view.LocalPorts, id):
			p := row.(view.LocalPort)
			t.due[id] = portState{network: p.Port.NetworkID, revision: p.Port.Revision}
			if !p.Prepared && p.Port.Host != c.o.Chassis {
				t.due[id] = portState{network: p.Port.NetworkID, revision: p.Port.Revision, from: p.Port.Host}
			}
			t.claimed[id] = struct{}{}
		default:
			t.unsettled[id] = struct{}{}
		}
	}
	clear(t.dirty)
}

// review looks again at ports that the database shows and that are not served: they may have gone while
// no controller was here to see it.
func (t *portTracker) review(c *Controller, reported []string) {
	for _, id := range reported {
		if !c.db.Has(view.LocalPorts, id) {
			t.dirty[id] = struct{}{}
		}
	}
}

// take returns the ports that are up once the job that starts now is done.
func (t *portTracker) take() map[string]portState {
	due := t.due
	t.due = map[string]portState{}
	return due
}

// putBack returns ports whose job failed, unless something newer is known.
func (t *portTracker) putBack(due map[string]portState) {
	for id, s := range due {
		if _, newer := t.due[id]; !newer {
			t.due[id] = s
		}
	}
}

// networkOf returns the network of a port bound here, empty if it is not bound here any more.
func (c *Controller) networkOf(port string) string {
	if row, ok := c.db.Row(view.Bindings, port); ok {
		return row.(*model.Binding).NetworkID
	}
	return ""
}
