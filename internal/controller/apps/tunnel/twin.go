package tunnel

import (
	"fmt"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// twin says that a chassis has the tunnel address of another, which comes before it by name: one of them is an earlier name
// of the other, or two hosts were set up alike. What is sent to either comes to the same place.
type twin struct{ chassis, first string }

var (
	twins          = view.NewDerived("TunnelTwin", func(t twin) string { return t.chassis + "/" + t.first })
	twinsByChassis = view.NewIndex(twins, "chassis", func(t twin) []string { return []string{t.chassis} }, nil)
)

// twinned finds the chassis that have the tunnel address of one, and tells the operator.
func twinned(r *view.Reader, c *model.Chassis, out *app.Output) {
	if !c.TunnelIP.IsValid() {
		return
	}
	same, _ := view.Find(r, view.ChassisByTunnelIP, c.TunnelIP.String())
	for _, other := range same {
		if other.ID >= c.ID {
			continue
		}
		app.Emit(out, twins, twin{chassis: c.ID, first: other.ID})
		out.Problem(fmt.Sprintf("chassis %s and %s both have the tunnel address %s: what is for either goes to the same host, and copies for everybody go there once; "+
			"delete the one that is an earlier name of the other, or correct the tunnel-ip of one", other.ID, c.ID, c.TunnelIP))
	}
}

// copiedAlready reports whether what goes to all members of a network comes to a chassis by its twin's name.
func copiedAlready(r *view.Reader, m view.RemoteMember) bool {
	list, _ := view.Find(r, twinsByChassis, m.Chassis)
	for _, t := range list {
		of := m
		of.Chassis = t.first
		if _, is := view.Get(r, view.RemoteMembers, view.RemoteMembers.Key(of)); is == view.Present {
			return true
		}
	}
	return false
}
