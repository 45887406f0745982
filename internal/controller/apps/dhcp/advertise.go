package dhcp

import (
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// routerLifetime is how long a guest keeps a router of which it hears nothing: as long as the protocol can
// say (RFC 8319), so that routes survive an outage of the controller. A router that is detached says so.
const routerLifetime = (1<<16 - 1) * time.Second

// advertiser is what a port hears unasked of one router on its network; where no router is, from the
// chassis itself, which tells only prefixes.
type advertiser struct {
	port string
	mac  model.MAC
	// frame is the whole advertisement, so that a change of it is a change of the row.
	frame string
}

var advertisers = view.NewDerived("RouterAdvertisement", func(a advertiser) string { return a.port + "/" + a.mac.String() })

// advertises derives what a port hears unasked: nothing where its guest is not.
func advertises(r *view.Reader, p view.LocalPort, out *app.Output) {
	if p.Prepared {
		return
	}
	for _, c := range advertisements(r, p) {
		app.Emit(out, advertisers, advertiser{p.Port.ID, c.MAC, string(BuildRA(c, allNodes(), p.Port.MACAddress))})
	}
}

// advertise returns all advertisements that the chassis' ports hear unasked.
func advertise(r *view.Reader) []app.PacketOut {
	var out []app.PacketOut
	for _, a := range view.All(r, advertisers) {
		if p, found := view.Get(r, view.LocalPorts, a.port); found == view.Present {
			out = append(out, app.To(p, []byte(a.frame)))
		}
	}
	return out
}

// announce tells a port at once that an advertisement is new or has changed, and that a router has gone
// (RFC 4861 section 6.2.5).
func announce(r *view.Reader, key string) []app.PacketOut {
	id, mac, _ := strings.Cut(key, "/")
	p, found := view.Get(r, view.LocalPorts, id)
	if found != view.Present || p.Prepared { // a guest that leaves keeps its routers
		return nil
	}
	if a, found := view.Get(r, advertisers, key); found == view.Present {
		return []app.PacketOut{app.To(p, []byte(a.frame))}
	}
	router, err := model.ParseMAC(mac)
	if err != nil || router == view.ServiceMAC {
		return nil
	}
	return []app.PacketOut{app.To(p, BuildRA(&RAConfig{MAC: router}, allNodes(), p.Port.MACAddress))}
}

// advertisements returns what a port is told of each router on its network: the subnets on which the router
// has an address. Those on which none has are told by the chassis, with no router.
func advertisements(r *view.Reader, p view.LocalPort) []*RAConfig {
	self, _ := view.Get(r, view.Self, "self")
	subnets, _ := view.Find(r, view.SubnetsByNetwork, p.Port.NetworkID)
	subnets = slices.DeleteFunc(subnets, func(n *model.Subnet) bool { return !advertised(n) || view.OnAnotherSegment(r, n) })
	if len(subnets) == 0 {
		return nil
	}
	var list []*RAConfig
	add := func(mac model.MAC, lifetime time.Duration, of func(n *model.Subnet) bool) {
		var s services
		for _, n := range subnets {
			if of(n) {
				s.addPrefix(n, p.Port, self)
			}
		}
		if len(s.prefixes) > 0 {
			list = append(list, &RAConfig{MAC: mac, RouterLifetime: lifetime, MTU: p.MTU, Prefixes: s.prefixes, DNS: s.raDNS, Domain: domain(r, p)})
		}
	}
	routed := map[string]bool{}
	routers, _ := view.Find(r, view.RouterPortsByNetwork, p.Port.NetworkID)
	for _, at := range routers {
		if !at.AdminStateUp {
			continue
		}
		add(at.MACAddress, lifetimeOf(r, at), func(n *model.Subnet) bool {
			has := slices.ContainsFunc(at.FixedIPs, func(f model.FixedIP) bool { return f.SubnetID == n.ID })
			routed[n.ID] = routed[n.ID] || has
			return has
		})
	}
	add(view.ServiceMAC, 0, func(n *model.Subnet) bool { return !routed[n.ID] })
	return list
}

// advertised reports whether hosts hear of a subnet.
func advertised(n *model.Subnet) bool { return n.IPv6RAMode != "" && n.CIDR.Addr().Is6() }

// lifetimeOf is zero for a router that is administratively down.
func lifetimeOf(r *view.Reader, at *model.Port) time.Duration {
	if ro, found := view.Get(r, view.Routers, at.DeviceID); found == view.Present && !ro.AdminStateUp {
		return 0
	}
	return routerLifetime
}

// solicited answers a router solicitation with what each router on the network has to say.
func solicited(r *view.Reader, p view.LocalPort, frame []byte) (app.Reply, error) {
	reply := app.Reply{Event: "ra"}
	for _, c := range advertisements(r, p) {
		answer, err := ReplyRS(c, p.Port.MACAddress, frame)
		if err != nil {
			return app.Reply{}, err
		}
		reply.Packets = append(reply.Packets, app.To(p, answer.Frame))
	}
	if len(reply.Packets) == 0 {
		return app.Reply{}, ErrNotServed
	}
	return reply, nil
}
