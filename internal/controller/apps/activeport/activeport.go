// Package activeport is the app that finds out which of the ports that may have an address, by their allowed
// address pairs, has it: the one whose guest announced it last, by ARP or neighbour discovery, as VRRP's
// (RFC 9568) routers do. What it finds others read from view.AddressHolders.
//
// What a guest here announces becomes a claim that the controller writes into the database, and which servers
// tell all chassis. A chassis also hears the broadcast itself that comes from another one, so that what moves
// while the database is away is followed by those who have ports on the network.
package activeport

import (
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

const appID = 16

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "activeport", ID: appID,
		Rules: []app.Rule{
			app.For("activeport.announced", view.Announcements, announced),
			app.For("activeport.told", view.ActiveAddresses, told),
			app.ForPrefixes("activeport.shared", view.PortsByAddressPair, shared),
			app.For("activeport.contender", contenders, hear),
			app.For("activeport.distant", distants, hearDistant),
			app.For("activeport.network", view.SharedNetworks, bound),
			app.For("activeport.holder", view.AddressHolders, pass),
			app.For("activeport.others", view.Self, others),
		},
		PacketIn: packetIn,
	}
}

// contender is a port of this chassis that may have the addresses of a prefix, which other ports may have, too.
type contender struct {
	network string
	prefix  netip.Prefix
	port    string
	key     uint32
}

// distant is a chassis with such ports, from which their announcements come by tunnel.
type distant struct {
	network string
	key     uint32
	prefix  netip.Prefix
	chassis string
}

var (
	contenders = view.NewDerived("Contender", func(c contender) string { return c.network + "/" + c.prefix.String() + "/" + c.port })
	distants   = view.NewDerived("DistantContender", func(d distant) string { return d.network + "/" + d.prefix.String() + "/" + d.chassis })
)

// place is a port that may have the addresses of a prefix, and where they are reached then.
type place struct {
	port, host string
	mac        model.MAC
}

// placesOf lists who may have all addresses of a prefix. A port that is bound nowhere only keeps them for others.
func placesOf(r *view.Reader, network string, prefix netip.Prefix) (list []place) {
	for _, p := range view.Covering(r, view.PortsByAddressPair, network, prefix) {
		if p.Host == "" || !p.AdminStateUp {
			continue
		}
		for _, pair := range p.AllowedAddressPairs {
			at := place{p.ID, p.Host, pair.MACAddress}
			if pair.IPAddress.Bits() <= prefix.Bits() && pair.IPAddress.Contains(prefix.Addr()) && !slices.Contains(list, at) {
				list = append(list, at)
			}
		}
	}
	return list
}

// shared finds out from whom announcements of the addresses of a prefix may come. There is nothing to find out
// about what only one port may have, at one MAC address.
func shared(r *view.Reader, network string, prefix netip.Prefix, out *app.Output) {
	list := placesOf(r, network, prefix)
	if len(list) < 2 {
		return
	}
	self, _ := view.Get(r, view.Self, "self")
	here, present := view.Get(r, view.LocalNetworks, network)
	_, wired := view.Get(r, view.Wires, network)
	for _, at := range list {
		p, found := view.Get(r, view.LocalPorts, at.port)
		switch {
		case found == view.Present && !p.Prepared:
			app.Emit(out, contenders, contender{network, prefix, at.port, p.Key})
		case at.host != self.Name && present == view.Present && wired != view.Present:
			app.Emit(out, distants, distant{network, here.Key, prefix, at.host})
			app.Emit(out, view.SharedNetworks, view.SharedNetwork{ID: network, Key: here.Key})
		}
	}
}

// mayHave tells whether a port may have an address at a MAC address.
func mayHave(p *model.Port, a netip.Addr, mac model.MAC) bool {
	return p.Host != "" && p.AdminStateUp && slices.ContainsFunc(p.AllowedAddressPairs, func(pair model.AddressPair) bool {
		return pair.IPAddress.Contains(a) && pair.MACAddress == mac
	})
}

// holding is who has an address: the newest of what was announced and what the database tells, if the port may
// have it still.
type holding struct {
	view.Announcement
	// heard says that it is what was announced.
	heard bool
}

func holderOf(r *view.Reader, key string) (holding, bool) {
	var list []holding
	row, told := view.Get(r, view.ActiveAddresses, key)
	if told == view.Present {
		list = append(list, holding{view.Announcement{
			NetworkID: row.NetworkID, Address: row.IPAddress, PortID: row.PortID, MAC: row.MACAddress, Seq: row.Seq,
		}, false})
	}
	if fact, heard := view.Get(r, view.Announcements, key); heard == view.Present {
		if h := (holding{fact, true}); told == view.Present && row.Seq > fact.Seq {
			list = append(list, h)
		} else {
			list = slices.Insert(list, 0, h)
		}
	}
	for _, h := range list {
		p, found := view.Get(r, view.Ports, view.Within(h.NetworkID, h.PortID))
		if found == view.Present && mayHave(p, h.Address, h.MAC) {
			return h, true
		}
	}
	return holding{}, false
}

// emit tells the other apps who has an address.
func (h holding) emit(r *view.Reader, out *app.Output) {
	app.Emit(out, view.AddressHolders, view.AddressHolder{
		NetworkID: h.NetworkID, Address: h.Address, PortID: h.PortID,
		MACAddress: view.MACAddress{NetworkKey: r.Number(pipeline.NetworkNumbers, h.NetworkID), MAC: h.MAC},
	})
}

// told takes from the database who has an address.
func told(r *view.Reader, a *model.ActiveAddress, out *app.Output) {
	if h, ok := holderOf(r, view.ActiveKey(a.NetworkID, a.IPAddress)); ok && !h.heard {
		h.emit(r, out)
	}
}

// announced takes what was announced for true, and claims it for a port that is here.
func announced(r *view.Reader, a view.Announcement, out *app.Output) {
	h, ok := holderOf(r, view.ActiveKey(a.NetworkID, a.Address))
	if !ok || !h.heard {
		return
	}
	h.emit(r, out)
	if p, found := view.Get(r, view.LocalPorts, a.PortID); found == view.Present && !p.Prepared {
		app.Emit(out, view.AddressClaims, view.AddressClaim{Announcement: a})
	}
}
