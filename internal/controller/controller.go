// Package controller is one chassis: it follows the part of the northbound topology that its ports need,
// watches the local switch, has the engine derive what the switch shall have, and programs it.
//
// One goroutine, the loop, owns the view, the engine and the numbers; everything that arrives is a
// message to it, and everything that is ready is one batch. A second goroutine talks to the switch. The
// loop touches nothing on the switch before it is in sync.
package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// Options say which chassis this is and where everything lies.
type Options struct {
	// Chassis is this chassis' name, as Neutron's binding:host_id has it.
	Chassis string
	// Version is the release, shown in the chassis list.
	Version string
	// DB is the northbound database.
	DB *db.Connection
	// OVSDB is the endpoint of the switch's database, such as unix:/run/openvswitch/db.sock.
	OVSDB string
	// Bridge is the integration bridge, and Mgmt its management socket; empty is Bridge.mgmt beside the
	// OVSDB socket.
	Bridge, Mgmt string
	// DatapathType is set on the bridge if not empty: "netdev" or "system".
	DatapathType string
	// TunnelIP is where other chassis send tunnelled packets; not valid is no tunnels.
	TunnelIP netip.Addr
	// TunnelTypes are the tunnels that other chassis may use towards this one.
	TunnelTypes []model.NetworkType
	// BridgeMappings tells the bridge of each physical network to which this chassis is connected.
	BridgeMappings map[string]string
	// Bandwidths are the kilobits a second that the ways to physical networks carry; one that is not named guarantees
	// nothing to ports.
	Bandwidths map[string]int
	// Gateway says that routers may have their gateways here.
	Gateway bool
	// AvailabilityZones are those in which the chassis is.
	AvailabilityZones []string
	// StateDir holds the snapshot.
	StateDir string
	// LeaseTTL is how long the chassis counts as alive after its last sign; 10 s if zero.
	LeaseTTL time.Duration
	// Patience is how long to wait for the view to be in sync before working with what the snapshot has;
	// 5 s if zero.
	Patience time.Duration
	// AuditEvery is how often the switch is compared with what is desired; 60 s if zero. The other layers
	// are compared at a pace that goes with it.
	AuditEvery time.Duration
	// ProgressEvery is about how often at most the chassis reports how far it is; 5 s if zero.
	ProgressEvery time.Duration
	// Self is what apps are told about this chassis; its name is filled in.
	Self view.Chassis
	// Clients, if set, is told of each source of requests for metadata: who stands behind it, or nil if nobody does any
	// more. It must not wait. If it is not set, the chassis has no port for metadata.
	Clients func(source netip.Prefix, c *view.MetadataClient)
	// Apps are the network services.
	Apps []*app.App
	// Unbound, if set, is told the id of a port whose interface is here without a binding to this
	// chassis. It must not wait.
	Unbound func(portID string)
	// Confirmed, if set, is told the id of a port that is served as the view has it, when the switch has
	// confirmed its flows. It must not wait.
	Confirmed func(portID string)
	Log       *slog.Logger
	// SecurityLog gets what security groups let pass or dropped and somebody asked to log; Log if it is nil. Writing must
	// not wait.
	SecurityLog *slog.Logger
	Metrics     *Metrics
}

// Controller is one chassis at work.
type Controller struct {
	o        Options
	log      *slog.Logger
	store    *northbound.Store
	feed     *northbound.Subscriber
	ovs      *ovsdb.Client
	link     *link
	reporter *reporter[*model.PortStatus]
	claims   *reporter[*model.AddressClaim]
	herald   *herald
	calls    chan call
	posts    chan func(*Controller)
	started  time.Time
	// first is closed after the first sync with the switch.
	first chan struct{}
	// registration keeps the chassis in the database while Run runs.
	registration *northbound.Registration
	// background are goroutines that wait for something outside on behalf of the loop.
	background sync.WaitGroup

	// What follows belongs to the loop.
	db      *view.DB
	numbers *number.Allocator
	engine  *engine.Engine
	rows    *ovsdb.DB
	// interfaces names the view's row of each interface of the switch.
	interfaces map[ovsdb.UUID]string
	scopes     map[string]*scopeState
	// leftovers says that there may be scopes which nothing needs any more.
	leftovers bool
	pend      pending
	ports     portTracker
	phase     phase
	// current is the job that the switch was given last and has not finished.
	current *job
	// synced says that the switch has been made equal to the desired state since it was connected, and
	// full that nothing was left out because the view was old or incomplete.
	synced, full bool
	// waited says that patience with scopes that do not come has ended.
	waited   bool
	auditDue bool
	bridged  bridgeState
	// guaranteed are the bandwidths that the chassis has shown to others.
	guaranteed map[string]int
	queues     queueing
	watches    watches
	// untold are the announcements that wait for the switch.
	untold []announcement
	// repeats are those that are told once more.
	repeats  *repeats
	journal  journal
	progress progress
	facts    facts
	// keptNeighbours is what was written down of neighbours outside.
	keptNeighbours string
	// here are the ports that are served here and not only prepared, with their networks; and those whose interfaces
	// have gone since while the database still has them here.
	here map[string]string
	held *held
	// troubles is what is wrong now, by topic, and refused which flows the switch does not take.
	troubles, refused map[string]string
	jobs              uint64
	drift             map[Layer]uint64
	// preferred counts the packets of guests that were taken before anything else that was ready.
	preferred int
}

// Run works until ctx ends, and returns its error, or what made starting impossible. It leaves the data
// plane as it is.
func Run(ctx context.Context, o Options) error {
	c, err := New(ctx, o)
	if err != nil {
		return err
	}
	return c.Run(ctx)
}

// New prepares a controller: it reads the snapshot, so that it can work without the database.
func New(ctx context.Context, o Options) (*Controller, error) {
	if o.Chassis == "" {
		return nil, errors.New("controller: the chassis has no name; set --chassis")
	}
	o = o.withDefaults()
	o.Self.Name = o.Chassis
	c := &Controller{
		o: o, log: o.Log.With("chassis", o.Chassis), store: northbound.NewStore(o.DB), started: time.Now(),
		db: view.NewDB(nil), numbers: number.New(), rows: ovsdb.NewDB(), scopes: map[string]*scopeState{},
		calls: make(chan call), posts: make(chan func(*Controller)), first: make(chan struct{}), interfaces: map[ovsdb.UUID]string{},
		refused: map[string]string{}, troubles: map[string]string{}, drift: map[Layer]uint64{},
		ports: newPortTracker(), pend: newPending(), facts: newFacts(), repeats: newRepeats(), guaranteed: o.Bandwidths, here: map[string]string{},
	}
	var err error
	c.engine, err = engine.New(c.db, c.numbers, o.Apps, engine.Options{Track: tracked(o.Apps)})
	if err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	if c.ovs, err = ovsdb.New(ovsdb.Config{Endpoint: o.OVSDB}); err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	c.link = newLink(o, c.log)
	c.reporter = newReporter(c.store, c.log, statusReports(o.Chassis))
	c.claims = newReporter(c.store, c.log, claimReports(o.Chassis))
	c.herald = newHerald(c.store, o, c.started, c.log)
	if c.held, err = c.restore(); err != nil {
		return nil, fmt.Errorf("controller: %w", err)
	}
	c.recallNeighbours()
	c.feed = northbound.NewSubscriber(ctx, o.DB, c.held.of)
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.LeaseTTL == 0 {
		o.LeaseTTL = 10 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 5 * time.Second
	}
	if o.AuditEvery == 0 {
		o.AuditEvery = time.Minute
	}
	if o.ProgressEvery == 0 {
		o.ProgressEvery = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.SecurityLog == nil {
		o.SecurityLog = o.Log
	}
	if o.Bridge == "" {
		o.Bridge = "br-int"
	}
	return o
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer func() {
		if err := c.journal.log.Close(); err != nil {
			c.log.Warn("snapshot not closed", "err", err)
		}
	}()
	defer work.Wait()
	defer c.background.Wait()
	defer c.feed.Close()
	defer cancel()
	reg, err := northbound.Register(ctx, c.store, c.chassis(), c.o.LeaseTTL, c.log)
	if err != nil {
		return fmt.Errorf("controller: %w", err)
	}
	defer reg.Close()
	c.registration = reg
	work.Go(func() { _ = c.ovs.Run(ctx) })
	work.Go(func() { c.link.run(ctx) })
	work.Go(func() { c.reporter.run(ctx) })
	work.Go(func() { c.claims.run(ctx) })
	work.Go(func() { c.herald.run(ctx) })
	work.Go(func() { c.audit(ctx) })
	return c.loop(ctx)
}
