package operate

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// World is what a chassis knows and wants. Who passes one must be allowed to read all of it for the time
// of the call.
type World struct {
	View    *view.DB
	Engine  *engine.Engine
	Numbers *number.Allocator
}

// name is the chassis' own.
func (w World) name() string {
	if row, ok := w.View.Row(view.Self, "self"); ok {
		return row.(view.Chassis).Name
	}
	return ""
}

// find reads the rows of an index.
func find[R any](w World, ix *view.Index[R], key string) []R {
	rows, _ := view.Find(view.NewReader(w.View, w.Numbers, nil), ix, key)
	return rows
}

// port finds a port by id, name, the beginning of its id, or the name of its interface.
func (w World) port(word string) (*model.Port, error) {
	var s portSearch
	w.View.Each(view.Ports, func(_ string, row any) { s.consider(row.(*model.Port), word) })
	if p, err := s.found(word); p != nil || err != nil {
		return p, err
	}
	if row, ok := w.View.Row(view.Interfaces, word); ok && row.(view.Interface).PortID != word {
		return w.port(row.(view.Interface).PortID)
	}
	return nil, &unknownPort{word}
}

// unknownPort says that a chassis does not know a port; somebody else may.
type unknownPort struct{ word string }

func (u *unknownPort) Error() string {
	return fmt.Sprintf("this chassis knows no port %q: it sees only networks that concern a port which it serves", u.word)
}

// local returns a port's row of the ports that the chassis serves.
func (w World) local(p *model.Port) (view.LocalPort, bool) {
	row, ok := w.View.Row(view.LocalPorts, p.ID)
	if !ok {
		return view.LocalPort{}, false
	}
	return row.(view.LocalPort), true
}

// unserved says why the chassis does not serve a port.
func (w World) unserved(p *model.Port) string {
	row, bound := w.View.Row(view.Bindings, p.ID)
	ifaces := find(w, view.InterfacesByPort, p.ID)
	switch {
	case !bound && len(ifaces) > 0:
		return fmt.Sprintf("interface %s is here, but binding:host_id of the port does not name this chassis", ifaces[0].Name)
	case !bound && p.Host != "":
		return "the port is bound to " + p.Host
	case !bound:
		return "the port is not bound to this chassis"
	case row.(*model.Binding).IsSubPort():
		return w.unservedSubPort(p, row.(*model.Binding))
	case row.(*model.Binding).Status != model.BindingActive:
		return "its binding to this chassis is inactive"
	case !p.AdminStateUp:
		return "the port is administratively down"
	case !w.network(p).AdminStateUp:
		return "its network is administratively down"
	case len(ifaces) == 0:
		return "no interface of the switch carries external_ids:iface-id=" + p.ID
	case ifaces[0].OFPort == 0:
		return fmt.Sprintf("the switch has not given interface %s a port number", ifaces[0].Name)
	}
	return "the chassis has not worked it out yet"
}

// unservedSubPort says why the chassis does not serve a sub-port that is bound to it.
func (w World) unservedSubPort(p *model.Port, b *model.Binding) string {
	row, bound := w.View.Row(view.Bindings, b.ParentPortID)
	switch {
	case !p.AdminStateUp:
		return "the port is administratively down"
	case !w.network(p).AdminStateUp:
		return "its network is administratively down"
	case !bound:
		return fmt.Sprintf("it is a sub-port, and its parent %s is not bound to this chassis", b.ParentPortID)
	}
	parent, known := w.View.Row(view.Ports, view.Within(row.(*model.Binding).NetworkID, b.ParentPortID))
	if !known {
		return fmt.Sprintf("it is a sub-port, and its parent %s is not known", b.ParentPortID)
	}
	if _, served := w.local(parent.(*model.Port)); served {
		return "the chassis has not worked it out yet"
	}
	return fmt.Sprintf("it is a sub-port of %s, which is not served: %s", portName(parent.(*model.Port)), w.unserved(parent.(*model.Port)))
}

// network returns the port's network; an unknown one is up.
func (w World) network(p *model.Port) *model.Network {
	if row, ok := w.View.Row(view.Networks, p.NetworkID); ok {
		return row.(*model.Network)
	}
	return &model.Network{Meta: model.Meta{ID: p.NetworkID}, AdminStateUp: true}
}

// holder finds the port of a network that has an address: as a fixed IP or the link-local address of its
// MAC address, else as the narrowest allowed address pair.
func (w World) holder(network string, a netip.Addr) (*model.Port, model.MAC, bool) {
	var best *model.Port
	var mac model.MAC
	bits := -1
	for _, p := range find(w, view.PortsByNetwork, network) {
		if a == packet.LinkLocal(p.MACAddress) {
			return p, p.MACAddress, true
		}
		for _, f := range p.FixedIPs {
			if f.IPAddress == a {
				return p, p.MACAddress, true
			}
		}
		for _, pair := range p.AllowedAddressPairs {
			if pair.IPAddress.Contains(a) && pair.IPAddress.Bits() > bits {
				best, mac, bits = p, pair.MACAddress, pair.IPAddress.Bits()
			}
		}
	}
	return best, mac, best != nil
}

// named is what people call an object: its name, or its id if it has none.
func named(name, id string) string { return cmp.Or(name, id) }

func portName(p *model.Port) string { return named(p.Name, p.ID) }

func (w World) groupName(id string) string {
	if row, ok := w.View.Row(view.SecurityGroups, id); ok {
		return named(row.(*model.SecurityGroup).Name, id)
	}
	return id
}

func (w World) groupNames(ids []string) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = w.groupName(id)
	}
	slices.Sort(list)
	return "[" + strings.Join(list, ", ") + "]"
}

// portAt finds the served port with an OpenFlow port number, or with a key in registers.
func (w World) portAt(is func(view.LocalPort) bool) (view.LocalPort, bool) {
	var found view.LocalPort
	ok := false
	w.View.Each(view.LocalPorts, func(_ string, row any) {
		if p := row.(view.LocalPort); is(p) {
			found, ok = p, true
		}
	})
	return found, ok
}
