package operate

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

// Member is a chassis as the database shows it.
type Member struct {
	Chassis  string `json:"chassis"`
	Version  string `json:"version,omitempty"`
	TunnelIP string `json:"tunnel_ip,omitempty"`
	// Alive says that the chassis holds its lease; Started is when its controller started.
	Alive   bool   `json:"alive"`
	Started string `json:"started,omitempty"`
	// Received is the newest revision that it reports to have read, Realised that up to which its switch
	// has confirmed everything. BehindSince is since when they differ, and Reported when it said so; all
	// are empty of a chassis that never reported.
	Received    int64  `json:"received,omitempty"`
	Realised    int64  `json:"realised,omitempty"`
	BehindSince string `json:"behind_since,omitempty"`
	Reported    string `json:"reported,omitempty"`
	// Unread says that the database has bindings for the chassis of a newer revision than it has read.
	// Only databases with one count of revisions can tell.
	Unread bool `json:"unread,omitempty"`
	// Bound is how many ports are bound to it, and Up how many of them it reports as up.
	Bound int `json:"bound"`
	Up    int `json:"up"`
	// Trouble says what cannot be read of it.
	Trouble string `json:"trouble,omitempty"`
}

// Fleet is the answer to how all chassis are.
type Fleet struct {
	Members []Member `json:"chassis"`
	// Now is when it was asked.
	Now time.Time `json:"now"`
}

// FleetOf reads how all chassis are. countsOnce says that the database has one count of revisions for all
// scopes, so that those of scopes can be compared.
func FleetOf(ctx context.Context, t Topology, countsOnce bool, now time.Time) (*Fleet, error) {
	entries, _, err := t.List(ctx, model.ScopeGlobal)
	if err != nil {
		return nil, fmt.Errorf("read the chassis: %w", err)
	}
	f := &Fleet{Members: []Member{}, Now: now}
	for _, c := range northbound.Of[model.Chassis](entries) {
		m := Member{Chassis: c.ID, Version: c.Version}
		if c.TunnelIP.IsValid() {
			m.TunnelIP = c.TunnelIP.String()
		}
		own, _, err := t.List(ctx, model.ScopeChassis(c.ID))
		if err != nil {
			return nil, fmt.Errorf("read chassis %s: %w", c.ID, err)
		}
		m.take(own, countsOnce)
		f.Members = append(f.Members, m)
	}
	slices.SortFunc(f.Members, func(a, b Member) int { return strings.Compare(a.Chassis, b.Chassis) })
	return f, nil
}

// take reads a chassis' own scope.
func (m *Member) take(entries []northbound.Entry, countsOnce bool) {
	for _, s := range northbound.Of[model.ChassisStatus](entries) {
		m.Received, m.Realised, m.BehindSince, m.Reported = s.Received, s.Realised, s.BehindSince, s.Reported
	}
	for _, h := range northbound.Of[model.Heartbeat](entries) {
		m.Alive, m.Started = true, h.Started
	}
	for _, e := range entries {
		switch o := e.Object.(type) {
		case *model.Binding:
			m.Bound++
			m.Unread = m.Unread || countsOnce && m.Reported != "" && int64(e.Revision) > m.Received
		case *model.PortStatus:
			if o.Up {
				m.Up++
			}
		case nil:
			m.Trouble = fmt.Sprintf("%s %s cannot be read", e.Key.Kind, e.Key.ID)
		}
	}
}

// progress says how far a chassis is, in words.
func (m Member) progress(now time.Time) string {
	since := func(at string) string {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return "an unknown time"
		}
		return max(0, now.Sub(t)).Truncate(time.Second).String()
	}
	switch {
	case m.Trouble != "":
		return m.Trouble
	case m.Reported == "":
		return "never reported"
	case !m.Alive:
		return fmt.Sprintf("not known since its lease ended; reported %s ago", since(m.Reported))
	case m.Realised < m.Received:
		return fmt.Sprintf("behind for %s", since(m.BehindSince))
	case m.Unread:
		return fmt.Sprintf("has not read all of its bindings; reported %s ago", since(m.Reported))
	}
	return "has all that it read"
}

// Write writes a table for people.
func (f *Fleet) Write(w io.Writer) error {
	t := newTable(w, "CHASSIS", "ALIVE", "RECEIVED", "REALISED", "PROGRESS", "PORTS UP", "TUNNEL IP", "VERSION")
	for _, m := range f.Members {
		alive, number := "no", func(n int64) string { return fmt.Sprint(n) }
		if m.Alive {
			alive = "yes"
		}
		if m.Reported == "" {
			number = func(int64) string { return "-" }
		}
		t.row(m.Chassis, alive, number(m.Received), number(m.Realised), m.progress(f.Now), fmt.Sprintf("%d of %d", m.Up, m.Bound),
			orDash(m.TunnelIP), orDash(m.Version))
	}
	return t.end("the database knows no chassis")
}
