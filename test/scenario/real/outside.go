package real

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/test/scenario"
)

// outside makes a host on the provider's network. The kernel may have no devices for VLANs, so hosts outside are
// plugged into a switch of their own.
func (p *Platform) outside(ctx context.Context, m scenario.Machine) (scenario.Guest, error) {
	if m.Behind != "" {
		return p.behind(m)
	}
	if p.beyond == nil {
		if err := p.openOutside(ctx); err != nil {
			return nil, err
		}
	}
	if m.Leg {
		return p.leg(ctx, m)
	}
	spec := lab.Spec{Name: m.Name, Port: "tap-" + m.Name, MAC: m.MAC, NoDAD: true}
	g, err := p.beyond.Boot(ctx, lab.ExternalBridge, m.Name, spec)
	if err != nil {
		return nil, err
	}
	p.guests[m.Name] = &guest{Guest: g, close: g.Close}
	if m.VLAN == 0 {
		return p.guests[m.Name], nil
	}
	_, err = p.beyond.OVS.Vsctl(ctx, "set", "port", spec.Port, fmt.Sprint("tag=", m.VLAN))
	return p.guests[m.Name], err
}

// leg makes one more interface of a host outside.
func (p *Platform) leg(ctx context.Context, m scenario.Machine) (scenario.Guest, error) {
	g, device := p.guests[m.Name], fmt.Sprint("leg", m.VLAN)
	port := m.Name + "-" + device
	if err := g.Link(device, m.MAC, p.beyond.Namespace, port); err != nil {
		return nil, err
	}
	errs := []error{g.Sysctl("net.ipv6.conf."+device+".accept_dad", "0"), p.beyond.OVS.Plug(ctx, lab.ExternalBridge, port, nil)}
	_, err := p.beyond.OVS.Vsctl(ctx, "set", "port", port, fmt.Sprint("tag=", m.VLAN))
	errs = append(errs, err)
	for _, a := range m.Router {
		errs = append(errs, g.AddressOn(device, a))
	}
	return g, errors.Join(errs...)
}

// behind makes a host that a machine outside is the router of.
func (p *Platform) behind(m scenario.Machine) (scenario.Guest, error) {
	router, device := p.guests[m.Behind], "to-"+m.Name
	g, err := lab.NewGuest(router.Namespace, lab.Spec{Name: m.Name, Port: device, MAC: m.MAC, NoDAD: true})
	if err != nil {
		return nil, err
	}
	p.guests[m.Name] = &guest{Guest: g, close: g.Close}
	errs := []error{router.Sysctl("net.ipv6.conf."+device+".accept_dad", "0"), router.Sysctl("net.ipv6.conf."+device+".disable_ipv6", "0")}
	for _, a := range m.Router {
		errs = append(errs, router.AddressOn(device, a))
	}
	return p.guests[m.Name], errors.Join(errs...)
}

func (p *Platform) openOutside(ctx context.Context) error {
	dir := filepath.Join(p.Cloud.Dir, "outside")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	beyond, err := lab.NewChassis(ctx, p.Cloud.Fabric, lab.ChassisSpec{
		Name: "outside", Dir: dir, Tunnel: netip.MustParsePrefix("172.16.0.253/24"), Management: netip.MustParsePrefix("192.0.2.253/24"),
	})
	if err != nil {
		return err
	}
	p.beyond = beyond
	p.fdb, err = p.Cloud.Fabric.Start(nil, "bridge", "monitor", "fdb")
	return err
}

var errNothingLearned = errors.New("the provider's network has learned no MAC address")

// steady reads what the bridge of the provider's network has learned, such as "fa:16:3e:00:00:01 dev p3 master
// external".
func (p *Platform) steady() error {
	places := map[string]string{}
	var moves []string
	for line := range strings.Lines(p.fdb.Output()) {
		words := strings.Fields(line)
		if len(words) < 5 || words[1] != "dev" || words[3] != "master" || words[4] != lab.External {
			continue
		}
		mac, at := words[0], words[2]
		if had := places[mac]; had != "" && had != at {
			moves = append(moves, fmt.Sprintf("%s from %s to %s", mac, had, at))
		}
		places[mac] = at
	}
	switch {
	case len(moves) > 0:
		return fmt.Errorf("MAC addresses move: %s", strings.Join(moves, ", "))
	case len(places) == 0:
		return errNothingLearned
	}
	return nil
}
