package controller

import (
	"context"
	"math/rand/v2"
	"time"
)

// audit compares the layers slowly and without end: one scope of the database at a time, and everything
// that is derived now and then. What it finds is counted, logged and repaired. It rests a
// hundred times longer than it works, up to ten audits of the switch. The audit of the switch is the loop's.
func (c *Controller) audit(ctx context.Context) {
	var scopes []string
	var derived time.Time
	for pause := c.auditPause(0); sleep(ctx, pause); {
		began := time.Now()
		if time.Since(derived) > derivationEvery*c.o.AuditEvery {
			c.auditLayer(ctx, c.CompareDerivation)
			derived = time.Now()
			pause = c.auditPause(time.Since(began))
			continue
		}
		if len(scopes) == 0 {
			_ = c.Inspect(ctx, func(in Inside) { // an error means that ctx has ended
				for _, s := range in.Status.Scopes {
					scopes = append(scopes, s.Scope)
				}
			})
			rand.Shuffle(len(scopes), func(i, j int) { scopes[i], scopes[j] = scopes[j], scopes[i] })
		}
		if len(scopes) > 0 {
			scope := scopes[0]
			scopes = scopes[1:]
			c.auditLayer(ctx, func(ctx context.Context) ([]Drift, error) { return c.CompareView(ctx, scope) })
		}
		pause = c.auditPause(time.Since(began))
	}
}

const (
	// scopesPerAudit is how many scopes are read in the time between two audits of the switch.
	scopesPerAudit = 12
	// derivationEvery is how many audits of the switch go by between two of the derivation.
	derivationEvery = 10
	// idleShare is how many times longer than its work an audit rests, and longestRest how many audits of
	// the switch go by meanwhile at most.
	idleShare   = 100
	longestRest = 10
)

// auditPause is how long to rest after work that took some time: jittered, so that a thousand chassis do
// not read together.
func (c *Controller) auditPause(took time.Duration) time.Duration {
	pause := max(c.o.AuditEvery/scopesPerAudit, min(idleShare*took, longestRest*c.o.AuditEvery))
	return pause/2 + rand.N(pause)
}

// auditLayer repairs what a comparison finds. One that fails, because the database is away, says nothing:
// the status tells of that already.
func (c *Controller) auditLayer(ctx context.Context, compare func(context.Context) ([]Drift, error)) {
	list, err := compare(ctx)
	if err != nil {
		c.log.Debug("audit not done", "err", err)
		return
	}
	if len(list) == 0 {
		return
	}
	for _, d := range list[:min(len(list), 20)] {
		c.log.Error("drift found, which should not be; it is repaired", "layer", string(d.Layer), "scope", d.Scope,
			"kind", string(d.Kind), "id", d.ID, "owner", d.Owner.String(), "what", d.What, "want", d.Want, "have", d.Have)
	}
	limited, cancel := context.WithTimeout(ctx, repairTimeout)
	defer cancel()
	if err := c.Repair(limited, list); err != nil {
		c.log.Warn("drift not repaired yet", "err", err)
	}
	_ = c.Inspect(ctx, func(Inside) { c.drifted(list[0].Layer, len(list)) }) // likewise
}

// repairTimeout is how long the switch may take for a repair.
const repairTimeout = 30 * time.Second

// drifted counts drift that was found and repaired.
func (c *Controller) drifted(layer Layer, n int) {
	c.drift[layer] += uint64(n)
	c.o.Metrics.drifted(layer, n)
}

// sleep reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
