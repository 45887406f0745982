package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// The kinds of things about which a Neutron is told.
const (
	statusPort       = "port"
	statusRouter     = "router"
	statusFloatingIP = "floatingip"
	statusTrunk      = "trunk"
	statusAgent      = "agent"
	statusAudit      = "audit"
	statusAddress    = "address"
)

// portState is what is told of a port. Arrived is the host of an inactive binding where its guest was heard.
type portState struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Host    string `json:"host"`
	Arrived string `json:"arrived,omitzero"`
}

type routerState struct {
	ID            string   `json:"id"`
	Status        string   `json:"status"`
	GatewayPortID string   `json:"gateway_port_id,omitzero"`
	GatewayHosts  []string `json:"gateway_chassis"`
	// GatewayHost is the first of these that lives.
	GatewayHost string `json:"gateway_host,omitzero"`
}

type floatingState struct {
	ID     string   `json:"id"`
	Status string   `json:"status"`
	Hosts  []string `json:"hosts"`
}

type trunkState struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

type agentState struct {
	ID               string         `json:"id"`
	Host             string         `json:"host"`
	Alive            bool           `json:"alive"`
	AgentType        string         `json:"agent_type"`
	Binary           string         `json:"binary"`
	StartedAt        *string        `json:"started_at"`
	AvailabilityZone *string        `json:"availability_zone"`
	Configurations   map[string]any `json:"configurations"`
}

// addressState is an address that a chassis needs on an external network: a port to be made with that id, and to be gone
// when it is told no more.
type addressState struct {
	ID        string `json:"id"`
	Host      string `json:"host"`
	NetworkID string `json:"network_id"`
}

// followStatus keeps what a Neutron is told as it is, until ctx ends.
func (s *Server) followStatus(ctx context.Context) error {
	if s.WaitReady(ctx) != nil {
		return nil // ended before
	}
	for {
		keys, ok := s.status.marks.take(ctx)
		if !ok {
			return nil
		}
		seen := map[statusKey]bool{}
		for _, key := range keys {
			for _, k := range s.told(key) {
				if !seen[k] {
					seen[k] = true
					s.tell(k)
				}
			}
		}
		s.tellAddresses()
		s.status.setReady()
	}
}

// told lists what may have to be told when a row, a report or a chassis has changed.
func (s *Server) told(key db.Key) []statusKey {
	var out []statusKey
	ofPort := func(id string) {
		out = append(out, statusKey{statusPort, id})
		for _, f := range s.store.Select(s.floatingIPs.Kind, rows.ByPort(id)) {
			out = append(out, statusKey{statusFloatingIP, f.Base().ID})
		}
		out = append(out, s.toldOfTrunks(id)...)
	}
	host, isReport := strings.CutPrefix(string(key.Scope), model.ScopeChassis(""))
	switch {
	case key.Kind == s.ports.Kind || isReport && model.Kind(key.Kind) == model.KindPortStatus:
		ofPort(key.ID)
	case key.Kind == s.routers.Kind:
		out = append(out, statusKey{statusRouter, key.ID})
		if r, ok := s.store.Cached(key.Kind, key.ID); ok && r.(*resource.Router).Gateway != nil {
			out = append(out, statusKey{statusPort, r.(*resource.Router).Gateway.PortID})
		}
	case key.Kind == s.trunks.Kind:
		out = append(out, statusKey{statusTrunk, key.ID})
	case key.Kind == s.floatingIPs.Kind:
		out = append(out, statusKey{statusFloatingIP, key.ID})
	case key.Kind == s.forwardings.Kind:
		if f, ok := s.store.Cached(key.Kind, key.ID); ok {
			out = append(out, statusKey{statusFloatingIP, f.(*resource.PortForwarding).FloatingIPID})
		}
	case isReport && model.Kind(key.Kind) == model.KindHeartbeat, isReport && key.Kind == "":
		for _, r := range s.store.Select(s.routers.Kind, rows.ByHost(host)) {
			out = append(out, statusKey{statusRouter, r.Base().ID})
		}
		for _, p := range s.store.Select(s.ports.Kind, rows.ByHost(host)) {
			if key.Kind == "" {
				ofPort(p.Base().ID)
			}
		}
		out = append(out, statusKey{statusAgent, host})
	case isReport && model.Kind(key.Kind) == model.KindChassisStatus:
		out = append(out, statusKey{statusAgent, host})
	case key.Scope == model.ScopeGlobal && model.Kind(key.Kind) == model.KindChassis:
		out = append(out, statusKey{statusAgent, key.ID})
	case key.Scope == model.ScopeGlobal && key.Kind == "":
		for k := range s.status.all(statusAgent) {
			out = append(out, k)
		}
	}
	return out
}

// toldOfTrunks lists the trunks whose status a port has a part in.
func (s *Server) toldOfTrunks(port string) (out []statusKey) {
	for _, by := range []string{rows.ByPort(port), rows.BySubPort(port)} {
		for _, x := range s.store.Select(s.trunks.Kind, by) {
			out = append(out, statusKey{statusTrunk, x.Base().ID})
		}
	}
	return out
}

// all returns what is told of a kind.
func (f *statusFeed) all(kind string) map[statusKey]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[statusKey]bool{}
	for k := range f.entries {
		if k.kind == kind {
			out[k] = true
		}
	}
	return out
}

// errUnknown says that it is not known yet how something is, because its chassis has not been heard.
var errUnknown = errors.New("not known yet")

// tell notes how something is now.
func (s *Server) tell(key statusKey) {
	var value any
	var err error
	switch key.kind {
	case statusPort:
		value, err = s.portState(key.id)
	case statusRouter:
		value, err = s.routerState(key.id)
	case statusFloatingIP:
		value, err = s.floatingState(key.id)
	case statusTrunk:
		value, err = s.trunkState(key.id)
	case statusAgent:
		value, err = s.agentState(key.id)
	}
	if err == nil {
		s.status.set(key, value)
	}
}

func (s *Server) portState(id string) (any, error) {
	row, ok := s.store.Cached(s.ports.Kind, id)
	if !ok {
		return nil, nil
	}
	p := row.(*resource.Port)
	if p.DeviceOwner == model.FloatingIPOwner || p.DeviceOwner == model.ChassisAddressOwner {
		return nil, nil
	}
	if p.HostID != "" && !s.board.heard(p.HostID) {
		return nil, errUnknown
	}
	return portState{ID: id, Status: s.decoratePort(p).(*resource.Port).Status, Host: p.HostID, Arrived: p.Arrived}, nil
}

// heard reports whether what a chassis says of its ports has been read.
func (b *board) heard(host string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	r := b.reports[host]
	return r != nil && r.inSync
}

func (s *Server) routerState(id string) (any, error) {
	row, ok := s.store.Cached(s.routers.Kind, id)
	if !ok {
		return nil, nil
	}
	r := row.(*resource.Router)
	state := routerState{ID: id, Status: "ACTIVE", GatewayHosts: []string{}}
	if g := r.Gateway; g != nil {
		state.GatewayPortID = g.PortID
		for _, c := range model.ByPriority(g.Chassis) {
			state.GatewayHosts = append(state.GatewayHosts, c.Name)
			if !s.board.heard(c.Name) {
				return nil, errUnknown
			}
			if state.GatewayHost == "" && s.board.lives(c.Name) {
				state.GatewayHost = c.Name
			}
		}
	}
	return state, nil
}

func (b *board) lives(host string) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	r := b.reports[host]
	return r != nil && r.beat != nil
}

func (s *Server) floatingState(id string) (any, error) {
	row, ok := s.store.Cached(s.floatingIPs.Kind, id)
	if !ok {
		return nil, nil
	}
	f := row.(*resource.FloatingIP)
	if inside, ok := s.store.Cached(s.ports.Kind, f.PortID); ok {
		if host := inside.(*resource.Port).HostID; host != "" && !s.board.heard(host) {
			return nil, errUnknown
		}
	}
	shown := s.decorateFloatingIP(f).(*resource.FloatingIP)
	return floatingState{ID: id, Status: shown.Status, Hosts: append([]string{}, f.Hosts...)}, nil
}

func (s *Server) trunkState(id string) (any, error) {
	row, ok := s.store.Cached(s.trunks.Kind, id)
	if !ok {
		return nil, nil
	}
	x := row.(*resource.Trunk)
	if parent, ok := s.store.Cached(s.ports.Kind, x.PortID); ok {
		if host := parent.(*resource.Port).HostID; host != "" && !s.board.heard(host) {
			return nil, errUnknown
		}
	}
	return trunkState{ID: id, Status: s.trunkStatus(x)}, nil
}

func (s *Server) agentState(host string) (any, error) {
	s.board.mu.RLock()
	c, r := s.board.chassis[host], s.board.reports[host]
	if c == nil {
		s.board.mu.RUnlock()
		return nil, nil
	}
	if r == nil || !r.inSync {
		s.board.mu.RUnlock()
		return nil, errUnknown
	}
	a := s.describe(c, r)
	s.board.mu.RUnlock()
	for _, k := range []string{"revision_received", "revision_realised", "behind_since"} { // they would change all the time
		delete(a.Configurations, k)
	}
	mappings := map[string]string{} // the bridges are the chassis' own business
	for _, p := range c.PhysicalNetworks {
		mappings[p] = ""
	}
	a.Configurations["bridge_mappings"], a.Configurations["physical_networks"] = mappings, slices.Clone(c.PhysicalNetworks)
	bandwidths := map[string]int{}
	maps.Copy(bandwidths, c.Bandwidths)
	a.Configurations["bandwidths"] = bandwidths
	a.Configurations["gateway"] = c.Gateway
	state := agentState{ID: a.ID, Host: host, Alive: a.Alive, AgentType: resource.AgentType, Binary: resource.AgentBinary,
		Configurations: a.Configurations}
	a.Configurations["availability_zones"] = slices.Clone(c.AvailabilityZones)
	if zones := resource.ZonesOfAgent(c.AvailabilityZones); zones != "" {
		state.AvailabilityZone = &zones
	}
	if !a.Started.IsZero() {
		started := a.Started.UTC().Format(time.RFC3339)
		state.StartedAt = &started
	}
	return state, nil
}
