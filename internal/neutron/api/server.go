// Package api serves Neutron's REST API v2.0 from the northbound database, so that the usual clients
// work without a Neutron.
//
// A [Server] keeps nothing of its own but a cache: any number of them may serve one database. Every
// request that writes is one atomic batch of resource rows, reservation keys and logical objects, so a
// server that is killed leaves it written as a whole or not at all.
//
// There is no authentication by user (Neutron calls that "noauth"): the caller is admin. Its project is
// the body's where the body names one, else that of the header X-Project-Id, else "default".
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/neutron/segment"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Options is what a Server needs; only DB must be set.
type Options struct {
	DB     *db.Connection
	Logger *slog.Logger
	// Clock gives the time for created_at and updated_at; time.Now if nil.
	Clock func() time.Time
	// Segments says how networks are tunnelled; segment.DefaultPlan if zero.
	Segments segment.Plan
	// DNSDomain completes the names of ports on networks without a domain; "openstacklocal." if empty.
	DNSDomain string
	// Quotas replaces default limits by resource, such as "port"; -1 is none.
	Quotas map[string]int
	// Neutron says that a Neutron pushes its resources, see [Server.Push], instead of clients of the API making them.
	Neutron bool
	// Observe, if set, is called after each request.
	Observe func(Observation)
	// RequestTimeout bounds what one request may wait for the database; 15 s if zero.
	RequestTimeout time.Duration
	// AuditInterval is the pause between two audits; 5 min if zero.
	AuditInterval time.Duration
}

// Observation describes a request that has been answered, for metrics. Route has "{id}" where the path
// had an id.
type Observation struct {
	Method, Route string
	Status        int
	Duration      time.Duration
}

// Server is one API server.
type Server struct {
	opts  Options
	log   *slog.Logger
	now   func() time.Time
	store *rows.Store
	board *board

	networks, subnets, ports, groups, rules *resource.Type
	routers, subnetPools, addressScopes     *resource.Type
	defaultPools                            *resource.Type
	quotas, quotaGuards, defaultGroups      *resource.Type
	portBindings, agents, segments, zones   *resource.Type
	floatingIPs, forwardings, trunks        *resource.Type
	activeAddresses, addressGroups          *resource.Type
	qosPolicies, defaultQoS                 *resource.Type
	logs                                    *resource.Type
	qosRules                                []*resource.Type
	pushed                                  map[string]*resource.Type // by name, what a Neutron pushes
	collections                             []*collection

	// slots bound how many requests are worked on at once, and with that the memory they take.
	slots chan struct{}

	hintsMu sync.Mutex
	hints   addressHints
	vnis    *vnis
	drift   driftCounter

	admitted atomic.Bool
	joins    *marks // rows that have changed; nil unless a Neutron pushes them
	subPorts *marks // sub-ports that are to follow their parents
	status   *statusFeed
}

// New returns a server. It answers 503 until Run has brought it in sync.
func New(opts Options) (*Server, error) {
	if opts.DB == nil {
		return nil, errors.New("neutron api: no database")
	}
	if n := opts.DB.Capabilities.AtomicOps; n < minAtomicOps {
		return nil, fmt.Errorf("neutron api: the %s driver writes at most %d keys atomically, the API needs %d",
			opts.DB.Name, n, minAtomicOps)
	}
	if opts.DB.Capabilities.Durability == db.Async && !opts.Neutron {
		return nil, fmt.Errorf("neutron api: the %s database may lose what it has acknowledged, and would be the only "+
			"copy; use one that writes to disk first, or Dragonflow behind a Neutron", opts.DB.Name)
	}
	setDefaults(&opts)
	if err := opts.Segments.Check(); err != nil {
		return nil, fmt.Errorf("neutron api: %w", err)
	}
	s := &Server{
		opts: opts, log: opts.Logger, now: opts.Clock, hints: addressHints{}, slots: make(chan struct{}, maxRequests),
	}
	types := s.makeTypes()
	s.vnis, s.subPorts = &vnis{next: map[string]int{}}, newMarks()
	s.store = rows.New(opts.DB, types, opts.Logger, opts.Clock)
	s.board = newBoard(opts.DB, opts.Logger, opts.Clock)
	if opts.Neutron {
		s.joins, s.status = newMarks(), newStatusFeed()
		s.board.note = s.status.marks.add
		s.store.Notify(func(k db.Key) { s.joins.add(k); s.status.marks.add(k) })
	}
	s.collections = []*collection{
		{server: s, typ: s.networks, ops: networkOps{s}, taggable: true, decorate: s.decorateNetwork},
		{server: s, typ: s.subnets, ops: subnetOps{s}, taggable: true},
		{server: s, typ: s.ports, ops: portOps{s}, taggable: true, decorate: s.decoratePort},
		{server: s, typ: s.groups, ops: groupOps{s}, taggable: true, decorate: s.decorateGroup},
		{server: s, typ: s.rules, ops: ruleOps{s}},
		{server: s, typ: s.routers, ops: routerOps{s}, decorate: s.decorateRouter, taggable: true, actions: s.routerActions()},
		{server: s, typ: s.floatingIPs, ops: floatingOps{s}, taggable: true, decorate: s.decorateFloatingIP},
		{server: s, typ: s.subnetPools, ops: poolOps{s}, taggable: true, actions: s.poolActions()},
		{server: s, typ: s.addressScopes, ops: scopeOps{s}},
		{server: s, typ: s.trunks, ops: trunkOps{s}, taggable: true, actions: s.trunkActions(), decorate: s.decorateTrunk},
		{server: s, typ: s.qosPolicies, ops: qosOps{s}, taggable: true},
		{server: s, typ: s.logs, ops: logOps{s}},
	}
	return s, nil
}

// makeTypes makes the types of rows and returns them.
func (s *Server) makeTypes() []*resource.Type {
	s.networks, s.subnets, s.ports = resource.Networks(), resource.Subnets(), resource.Ports()
	s.rules = resource.SecurityGroupRules()
	s.groups = resource.SecurityGroups(s.rules)
	s.quotas, s.quotaGuards, s.defaultGroups = resource.Quotas(), resource.QuotaGuards(), resource.DefaultGroups()
	s.routers = resource.Routers()
	s.subnetPools, s.addressScopes, s.defaultPools = resource.SubnetPools(), resource.AddressScopes(), resource.DefaultPools()
	s.activeAddresses = resource.ActiveAddresses()
	s.floatingIPs, s.forwardings = resource.FloatingIPs(), resource.PortForwardings()
	s.addressGroups, s.trunks, s.logs = resource.AddressGroups(), resource.Trunks(), resource.Logs()
	s.qosRules = resource.QoSRules()
	s.qosPolicies, s.defaultQoS = resource.QoSPolicies(s.qosRules), resource.DefaultQoSPolicies()
	s.portBindings, s.agents, s.segments = resource.PortBindings(), resource.Agents(), resource.Segments()
	s.zones = resource.Zones()
	s.pushed = map[string]*resource.Type{}
	for _, t := range []*resource.Type{s.networks, s.subnets, s.subnetPools, s.ports, s.groups, s.rules, s.addressGroups, s.routers,
		s.floatingIPs, s.forwardings, s.trunks, s.logs} {
		s.pushed[t.Singular] = t
	}
	s.pushed["qos_policy"] = s.qosPolicies
	return []*resource.Type{
		s.networks, s.subnets, s.ports, s.groups, s.rules, s.routers, s.quotas, s.quotaGuards, s.defaultGroups, s.agents,
		s.subnetPools, s.addressScopes, s.defaultPools, s.floatingIPs, s.forwardings,
		s.activeAddresses, s.addressGroups, s.trunks, s.qosPolicies, s.defaultQoS, s.logs,
	}
}

// maxRequests is how many requests are worked on at once; more wait.
const maxRequests = 256

// minAtomicOps is the batch that the largest single write needs: a port that leaves MaxSecurityGroups
// groups for as many others, changes all its addresses and its host.
const minAtomicOps = 128

func setDefaults(o *Options) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Segments.Type == "" {
		o.Segments = segment.DefaultPlan()
	}
	if o.DNSDomain == "" {
		o.DNSDomain = "openstacklocal."
	}
	if o.RequestTimeout == 0 {
		o.RequestTimeout = 15 * time.Second
	}
	if o.AuditInterval == 0 {
		o.AuditInterval = 5 * time.Minute
	}
}

// Ready reports whether the server follows the database.
func (s *Server) Ready() bool { return s.store.Live() && s.admitted.Load() }

// WaitReady waits until the server follows the database.
func (s *Server) WaitReady(ctx context.Context) error {
	return errors.Join(s.store.WaitLive(ctx), s.board.wait(ctx, func() bool { return s.board.inSync && s.admitted.Load() }))
}

// Handler serves the API.
func (s *Server) Handler() http.Handler { return s.withRequestID(http.HandlerFunc(s.route)) }

// Run follows the database and does what has to be done in the background, until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	tasks := []func(context.Context) error{s.store.Run, s.admit, s.followChassis, s.auditLoop, s.followArrivals, s.followPlaces, s.followClaims, s.followSubPorts}
	if s.opts.Neutron {
		tasks = append(tasks, s.followPushes, s.followStatus)
	} else {
		tasks = append(tasks, s.finishDeletions, s.upgradeNetworks)
	}
	for _, task := range tasks {
		wg.Go(func() {
			if err := task(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("neutron api: %w", err)
	}
	return nil
}
