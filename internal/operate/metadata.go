package operate

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// service is what the port behind which metadata is served is called.
const service = "the service of metadata"

// metadata finds who has an address of the service of metadata. A guest has a route to it on its own link, and never
// sends it to a gateway because nobody answers.
func (w World) metadata(a *asked, ip netip.Addr) error {
	from := a.src.Port
	if _, serves := w.View.Row(view.MetadataPorts, view.MetadataPortKey); serves {
		a.DstMAC = view.ServiceMAC // a router's would do as well
		return nil
	}
	if to, mac, found := w.holder(from.NetworkID, ip); found && to.ID != from.ID {
		a.dst, a.DstMAC = to, mac
		return nil
	}
	return &unanswerable{fmt.Sprintf("no chassis without metadata-nova-url serves %s, and as far as can be seen here %s has none: nobody answers for it",
		ip, w.name())}
}

// isService reports whether an OpenFlow port is the one behind which metadata is served.
func (w World) isService(ofport uint32) bool {
	row, serves := w.View.Row(view.MetadataPorts, view.MetadataPortKey)
	return serves && ofport != 0 && row.(view.MetadataPort).OFPort == ofport
}

// served says what becomes of a guest's request for metadata.
func (a *asked) served(on string) string {
	p := a.src.Port
	if p.DeviceID == "" {
		return fmt.Sprintf("delivered to %s%s, which answers 404 Not Found: the port has no device_id, so it belongs to no instance", service, on)
	}
	return fmt.Sprintf("delivered to %s%s, which asks Nova in the name of instance %s of project %s; no security group is asked",
		service, on, p.DeviceID, cmp.Or(p.ProjectID, "-"))
}
