package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// site is the demo's cloud with its guests.
type site struct {
	*cloud.Cloud
	networks map[string]string // name → id
	guests   map[string]*guest
	host     *lab.Guest // outside; nil before there is one
	closers  []func() error
}

// guest is a virtual machine, as far as its network sees it.
type guest struct {
	*lab.Guest
	mobile *lab.Mobile // nil if it stays where it is
	at     string
	id     string
	mac    net.HardwareAddr
	fixed  []netip.Addr
}

// chassisNames are the hypervisors of the demo, and gatewayNames those on which routers have their gateways.
func chassisNames() []string { return []string{"c1", "c2", "c3"} }
func gatewayNames() []string { return []string{"g1", "g2"} }

// newSite starts everything. What it returns must be closed also when there is an error.
func newSite(ctx context.Context, program string) (*site, error) {
	s := &site{networks: map[string]string{}, guests: map[string]*guest{}}
	c, err := cloud.New(ctx, program)
	if err != nil {
		return s, fmt.Errorf("network namespaces need root, the database needs etcd (make demo installs it): %w", err)
	}
	s.Cloud = c
	flags, err := c.StartNova(ctx)
	if err != nil {
		return s, err
	}
	flags = append(flags, "--bridge-mappings", physicalNetwork+":"+lab.ExternalBridge)
	for _, name := range chassisNames() {
		if _, err := c.AddChassis(ctx, name, flags...); err != nil {
			return s, err
		}
	}
	for _, name := range gatewayNames() {
		if _, err := c.AddChassis(ctx, name, append(flags, "--gateway", "true")...); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (s *site) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	if s.Cloud != nil {
		errs = append(errs, s.Cloud.Close())
	}
	return errors.Join(errs...)
}

// plug makes a guest for its port: what Nova does when it starts a virtual machine.
func (s *site) plug(ctx context.Context, name string, mobile bool) error {
	g := s.guests[name]
	if g == nil {
		return errors.New("there is no such port")
	}
	spec := lab.Spec{Name: name, Port: "tap-" + name, MAC: g.mac, AcceptRA: true}
	at := s.Chassis(g.at)
	if !mobile {
		booted, err := at.Boot(ctx, cloud.Bridge, g.id, spec)
		if err != nil {
			return err
		}
		g.Guest = booted
		s.closers = append(s.closers, booted.Close)
		return nil
	}
	booted, err := lab.NewMobile(spec)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, booted.Close)
	g.Guest, g.mobile = booted.Guest, booted
	if err := s.offer(ctx, g, g.at); err != nil {
		return err
	}
	return booted.Connect(g.at)
}

// offer plugs a further interface of a guest that can move into the switch of a chassis.
func (s *site) offer(ctx context.Context, g *guest, chassis string) error {
	at, device := s.Chassis(chassis), "tap-"+g.Name()
	if err := g.mobile.Offer(at.Namespace, device); err != nil {
		return err
	}
	return at.OVS.Plug(ctx, cloud.Bridge, device, map[string]string{"iface-id": g.id, "attached-mac": g.mac.String()})
}

// active returns an error until the port is served.
func (s *site) active(ctx context.Context, id string) error {
	p, err := s.API.Show(ctx, "port", id)
	if err == nil && p.Text("status") != "ACTIVE" {
		err = fmt.Errorf("port %s is %s", p.Text("name"), p.Text("status"))
	}
	return err
}

// address returns the guest's address of a family.
func (g *guest) address(v6 bool) netip.Addr {
	for _, a := range g.fixed {
		if a.Is6() == v6 {
			return a
		}
	}
	return netip.Addr{}
}

// flows are the flows of all chassis.
func (s *site) flows(ctx context.Context) (string, error) {
	var all strings.Builder
	for _, c := range s.All() {
		text, err := c.Flows(ctx)
		if err != nil {
			return "", err
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

// pause lets traffic run for a while.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// ms is how long it took, for people.
func ms(start time.Time) string { return fmt.Sprintf("%d ms", time.Since(start).Milliseconds()) }
