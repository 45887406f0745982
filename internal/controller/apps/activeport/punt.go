package activeport

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// believedFor bounds how long an announcement holds of which the database knows nothing: longer than it is away.
const believedFor = 24 * time.Hour

// packetIn notes who has announced an address. From where it came the flow tells, not the packet.
func packetIn(r *view.Reader, in app.PacketIn) (app.Reply, error) {
	a, mac, err := announcedIn(in.Data)
	if err != nil {
		return app.Reply{}, fmt.Errorf("activeport: %w", err)
	}
	if len(in.Userdata) == 0 {
		return app.Reply{}, errors.New("activeport: a packet of nobody")
	}
	switch from := string(in.Userdata[1:]); in.Userdata[0] {
	case isPort:
		return fromPort(r, from, a, mac, in)
	case isChassis:
		network, chassis, _ := strings.Cut(from, "/")
		return fromChassis(r, network, chassis, a, mac)
	}
	return app.Reply{}, errors.New("activeport: a packet of nobody")
}

// fromPort notes what a port here announces.
func fromPort(r *view.Reader, port string, a netip.Addr, mac model.MAC, in app.PacketIn) (app.Reply, error) {
	p, found := view.Get(r, view.LocalPorts, port)
	if found != view.Present || p.Prepared || p.OFPort != in.InPort {
		return app.Reply{}, errors.New("activeport: a packet of a port that is not here")
	}
	if !mayHave(p.Port, a, mac) {
		return app.Reply{}, fmt.Errorf("activeport: port %s must not have %s at %s", port, a, mac)
	}
	fact := view.Announcement{NetworkID: p.Port.NetworkID, Address: a, PortID: port, MAC: mac}
	if known(r, fact) {
		return app.Reply{Event: "known"}, nil
	}
	fact.Seq = max(in.At.UnixMicro(), newest(r, fact)+1)
	return believe(fact), nil
}

// fromChassis notes what a port of another chassis announces, if it is clear which one that is.
func fromChassis(r *view.Reader, network, chassis string, a netip.Addr, mac model.MAC) (app.Reply, error) {
	var ports []string
	for _, at := range placesOf(r, network, netip.PrefixFrom(a, a.BitLen())) {
		if at.host == chassis && at.mac == mac {
			ports = append(ports, at.port)
		}
	}
	if len(ports) != 1 {
		return app.Reply{}, fmt.Errorf("activeport: %d ports of chassis %s may have %s at %s", len(ports), chassis, a, mac)
	}
	fact := view.Announcement{NetworkID: network, Address: a, PortID: ports[0], MAC: mac}
	if known(r, fact) {
		return app.Reply{Event: "known"}, nil
	}
	fact.Seq = newest(r, fact)
	return believe(fact), nil
}

// known reports whether an announcement says what is known.
func known(r *view.Reader, a view.Announcement) bool {
	h, ok := holderOf(r, view.ActiveKey(a.NetworkID, a.Address))
	return ok && h.PortID == a.PortID && h.MAC == a.MAC
}

// newest is the place of the newest announcement that is known of an address.
func newest(r *view.Reader, a view.Announcement) (seq int64) {
	key := view.ActiveKey(a.NetworkID, a.Address)
	if row, found := view.Get(r, view.ActiveAddresses, key); found == view.Present {
		seq = row.Seq
	}
	if fact, found := view.Get(r, view.Announcements, key); found == view.Present {
		seq = max(seq, fact.Seq)
	}
	return seq
}

func believe(a view.Announcement) app.Reply {
	return app.Reply{Event: "announcement", Facts: []app.Fact{{Table: view.Announcements, Row: a, Owner: a.PortID, Age: believedFor}}}
}

var errNoAddress = errors.New("the packet announces no address that a port can have")

// announcedIn reads what a packet announces.
func announcedIn(frame []byte) (netip.Addr, model.MAC, error) {
	eth, err := packet.ParseEthernet(frame)
	if err != nil {
		return netip.Addr{}, model.MAC{}, err
	}
	a, mac, err := tellsIn(eth)
	if err == nil && (!a.IsGlobalUnicast() && !a.IsLinkLocalUnicast() || mac.IsMulticast() || mac == model.MAC{}) {
		err = errNoAddress
	}
	return a, mac, err
}

func tellsIn(eth packet.Ethernet) (netip.Addr, model.MAC, error) {
	if eth.EtherType == packet.EtherTypeARP {
		p, err := packet.ParseARP(eth.Payload)
		return p.SenderIP, p.SenderMAC, err
	}
	p, err := packet.ParseIPv6(eth.Payload)
	if err != nil {
		return netip.Addr{}, model.MAC{}, err
	}
	na, err := packet.ParseNeighborAdvertisement(p)
	if err != nil {
		return netip.Addr{}, model.MAC{}, err
	}
	mac, ok := na.Options.LinkAddr(packet.NDOptionTargetLinkAddr)
	if !ok {
		mac = eth.Src
	}
	return na.Target, mac, nil
}
