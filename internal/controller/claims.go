package controller

import (
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// announcedFor bounds how long an announcement of the last run is believed, and claimPause how often claims are
// written: guests that quarrel about an address must not keep the servers busy.
const (
	announcedFor = 24 * time.Hour
	claimPause   = 50 * time.Millisecond
)

// claimReports are those of guests that have announced an address.
func claimReports(chassis string) reported[*model.AddressClaim] {
	return reported[*model.AddressClaim]{
		name: "claim of an address",
		of: func(id string) *model.AddressClaim {
			return &model.AddressClaim{Meta: model.Meta{ID: id}, Host: chassis}
		},
		copy: func(a *model.AddressClaim) *model.AddressClaim { c := *a; return &c },
		same: func(a, b *model.AddressClaim) bool {
			return a.NetworkID == b.NetworkID && a.MACAddress == b.MACAddress && a.Seq == b.Seq
		},
		pause: claimPause,
	}
}

// tellClaims has the database told of claims that came, changed or went.
func (c *Controller) tellClaims(ids []string) {
	for _, id := range ids {
		row, claimed := c.db.Row(view.AddressClaims, id)
		if !claimed {
			c.claims.wants(id, nil)
			continue
		}
		a := row.(view.AddressClaim)
		c.claims.wants(id, &model.AddressClaim{
			Meta: model.Meta{ID: id}, NetworkID: a.NetworkID, PortID: a.PortID, IPAddress: a.Address, MACAddress: a.MAC,
			Host: c.o.Chassis, Seq: a.Seq,
		})
	}
}

// recallClaim hears which claim the database has. A chassis without its snapshot takes from it what its guests
// have announced before it started.
func (c *Controller) recallClaim(st *scopeState, claim *model.AddressClaim) {
	if claim.Host != c.o.Chassis {
		return
	}
	c.claims.observed(claim.ID, claim)
	a := view.Announcement{NetworkID: claim.NetworkID, Address: claim.IPAddress, PortID: claim.PortID, MAC: claim.MACAddress, Seq: claim.Seq}
	if !st.live && !c.db.Has(view.Announcements, view.ActiveKey(a.NetworkID, a.Address)) {
		c.facts.learn(c.db, app.Fact{Table: view.Announcements, Row: a, Owner: a.PortID, Age: announcedFor}, time.Now())
	}
}

// forgetSuperseded forgets what was announced before somebody else was.
func (c *Controller) forgetSuperseded(addresses []string) {
	for _, key := range addresses {
		row, told := c.db.Row(view.ActiveAddresses, key)
		fact, heard := c.db.Row(view.Announcements, key)
		if told && heard && row.(*model.ActiveAddress).Seq > fact.(view.Announcement).Seq {
			c.facts.forget(c.db, view.Announcements, key)
		}
	}
}
