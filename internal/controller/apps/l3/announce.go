package l3

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
)

// interfaceAddress is an address of a router on one of its networks, and the MAC address that it has there.
type interfaceAddress struct {
	network string
	address netip.Addr
	mac     model.MAC
}

var interfaceAddresses = view.NewDerived("RouterInterfaceAddress", func(a interfaceAddress) string {
	return a.network + "/" + a.address.String() + "/" + a.mac.String()
})

// announce tells the network's guests here where a router's address is from now on: it may have been another router's, whose
// MAC address they keep for minutes. Each chassis tells its own.
func announce(r *view.Reader, key string) []app.PacketOut {
	a, found := view.Get(r, interfaceAddresses, key)
	if found != view.Present {
		return nil
	}
	var out []app.PacketOut
	guests, _ := view.Find(r, view.LocalPortsByNetwork, a.network)
	for _, p := range guests {
		if p.Prepared {
			continue
		}
		for _, frame := range a.frames() {
			out = append(out, app.To(p, frame))
		}
	}
	return out
}

// frames are the announcements. Of ARP's two forms some hosts heed one alone (RFC 5227 section 3).
func (a interfaceAddress) frames() [][]byte {
	to, etherType, payload := packet.Announcement(a.mac, a.address)
	header := packet.Ethernet{Dst: to, Src: a.mac, EtherType: etherType}.Append(nil)
	frames := [][]byte{append(header, payload...)}
	if a.address.Is4() {
		reply := packet.ARP{Operation: packet.ARPReply, SenderMAC: a.mac, SenderIP: a.address, TargetMAC: to, TargetIP: a.address}
		frames = append(frames, reply.Append(header[:len(header):len(header)]))
	}
	return frames
}
