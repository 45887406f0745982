package neighbour

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// How often neighbours outside are asked whether they are still there, and those who have not been heard, and how soon
// these are asked again at first; for how long they count as there after they were heard last, and how many are kept of a network.
const (
	askEvery        = 10 * time.Second
	lookEvery       = time.Second // RFC 1122 section 2.3.2.1, RFC 4861 section 10
	soon            = 100 * time.Millisecond
	neighbourFor    = time.Minute
	neighboursKnown = 4096
)

// isNeighbour begins what tells the handler for whom a packet was heard.
const isNeighbour byte = 'W'

// heardData is what the handler needs to know of a next hop.
func heardData(x view.Resolve) []byte {
	b := x.NextHop.As16()
	return append(append([]byte{isNeighbour}, b[:]...), x.NetworkID...)
}

func parseHeard(b []byte) (network string, nextHop netip.Addr, ok bool) {
	if len(b) <= 1+16 || b[0] != isNeighbour {
		return "", netip.Addr{}, false
	}
	return string(b[1+16:]), netip.AddrFrom16([16]byte(b[1 : 1+16])).Unmap(), true
}

// hear notes who has the address of a next hop. Nothing on a wire proves that he tells the truth.
func hear(network string, nextHop netip.Addr, frame []byte) (app.Reply, error) {
	mac, err := whoHas(nextHop, frame)
	if err != nil {
		return app.Reply{}, fmt.Errorf("neighbour: %w", err)
	}
	if mac.IsMulticast() || mac == (model.MAC{}) {
		return app.Reply{}, errors.New("neighbour: somebody outside tells a MAC address that nobody can have")
	}
	return app.Reply{Event: "neighbour", Facts: []app.Fact{{
		Table: view.Neighbours, Row: view.Neighbour{NetworkID: network, Address: nextHop, MAC: mac},
		Owner: network, Age: neighbourFor, Cap: neighboursKnown,
	}}}, nil
}

var (
	errOther = errors.New("the packet is not about the address that is looked for")
	errNoMAC = errors.New("the advertisement tells no MAC address")
)

// whoHas reads which MAC address a packet tells of an address.
func whoHas(a netip.Addr, frame []byte) (model.MAC, error) {
	eth, err := packet.ParseEthernet(frame)
	if err != nil {
		return model.MAC{}, err
	}
	if a.Is4() {
		p, err := packet.ParseARP(eth.Payload)
		if err == nil && p.SenderIP != a {
			err = errOther
		}
		return p.SenderMAC, err
	}
	p, err := packet.ParseIPv6(eth.Payload)
	if err != nil {
		return model.MAC{}, err
	}
	na, err := packet.ParseNeighborAdvertisement(p)
	if err != nil {
		return model.MAC{}, err
	}
	if na.Target != a {
		return model.MAC{}, errOther
	}
	mac, ok := na.Options.LinkAddr(packet.NDOptionTargetLinkAddr)
	if !ok {
		if na.Solicited { // it may leave the option out in answer to a question that came to it alone
			return eth.Src, nil
		}
		return model.MAC{}, errNoMAC
	}
	return mac, nil
}
