package controller

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// packetIn has the app answer a packet that one of its flows sent here. Whatever the packet does to the
// app harms nothing but this packet.
func (c *Controller) packetIn(p openflow.PacketIn) {
	if len(p.Userdata) == 0 {
		c.o.Metrics.packetIn("unknown", "no-app")
		return
	}
	for _, a := range c.o.Apps {
		if a.ID != p.Userdata[0] || a.PacketIn == nil {
			continue
		}
		reply, err := c.answer(a, app.PacketIn{
			Userdata: p.Userdata[1:], InPort: p.InPort(), Data: p.Data,
			SourcePort: uint32(p.Register(pipeline.SourcePort.Field)), Network: uint32(p.Register(flow.Metadata)),
			Router: uint32(p.Register(pipeline.Router.Field)), CameBy: uint32(p.Register(pipeline.CameBy.Field)),
			Refusal: uint32(p.Register(pipeline.Refusal.Field)), At: time.Now(),
		})
		if err != nil {
			c.o.Metrics.packetIn(a.Name, "refused")
			c.log.Debug("packet of a guest refused", "app", a.Name, "ofport", p.InPort(), "err", err)
			return
		}
		c.o.Metrics.packetIn(a.Name, reply.Event)
		for _, l := range reply.Lines {
			c.o.SecurityLog.LogAttrs(context.Background(), slog.LevelInfo, "security group", l.Attrs()...)
			c.o.Metrics.logged(string(l.Event))
		}
		for _, f := range reply.Facts {
			if !c.facts.learn(c.db, f, time.Now()) {
				c.o.Metrics.packetIn(a.Name, "fact-refused")
			}
		}
		for _, out := range reply.Packets {
			c.link.send(out)
		}
		return
	}
	c.o.Metrics.packetIn("unknown", "no-app")
}

func (c *Controller) answer(a *app.App, p app.PacketIn) (reply app.Reply, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("app %s failed on a packet: %v", a.Name, r)
			c.log.Error("an app failed on a packet of a guest", "app", a.Name, "ofport", p.InPort, "err", err)
		}
	}()
	return a.PacketIn(view.NewReader(c.db, c.numbers, nil), p)
}

// tick lets an app send what it sends by itself.
func (c *Controller) tick(x ticking) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("an app failed on its timer", "app", x.of, "err", fmt.Errorf("%v", r))
		}
	}()
	if c.phase == down || !c.synced {
		return
	}
	for _, p := range x.Send(view.NewReader(c.db, c.numbers, nil)) {
		c.link.send(p)
	}
}

// tracked are the tables whose changes the loop must hear of.
func tracked(apps []*app.App) []view.AnyTable {
	list := []view.AnyTable{view.Interests, view.LocalPorts, view.Interfaces, view.Bindings, view.MetadataClients, view.WatchTargets, view.Guarantees,
		view.ActiveAddresses, view.AddressClaims}
	for _, a := range apps {
		if a.Announcer != nil {
			list = append(list, a.Announcer.Table)
		}
	}
	return list
}

// announcement is a change that an app tells others about.
type announcement struct {
	app *app.App
	key string
}

// announceChanges notes what the apps have to tell others. They are told once the switch has what follows from
// the change: who is told answers, or sends, at once.
func (c *Controller) announceChanges(d *engine.Delta) {
	if c.phase == down || !c.synced {
		return
	}
	for _, a := range c.o.Apps {
		if a.Announcer == nil {
			continue
		}
		for _, key := range d.Changed(a.Announcer.Table) {
			c.untold = append(c.untold, announcement{a, key})
		}
	}
}

// tell lets apps send what they announce.
func (c *Controller) tell(list []announcement) {
	for _, a := range list {
		c.announceRow(a.app, a.key, a.app.Announcer.Send)
		c.repeats.add(a, time.Now())
	}
}

// repeat lets apps send again what may have been lost.
func (c *Controller) repeat(now time.Time) {
	for _, a := range c.repeats.take(now) {
		if c.phase != down && c.synced {
			c.announceRow(a.app, a.key, a.app.Announcer.Again)
		}
	}
}

func (c *Controller) announceRow(a *app.App, key string, send func(*view.Reader, string) []app.PacketOut) {
	defer func() {
		if r := recover(); r != nil {
			c.log.Error("an app failed on a change that it tells guests", "app", a.Name, "key", key, "err", fmt.Errorf("%v", r))
		}
	}()
	for _, p := range send(view.NewReader(c.db, c.numbers, nil), key) {
		c.link.send(p)
	}
}
