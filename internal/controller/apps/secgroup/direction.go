package secgroup

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/model"
)

// direction is what differs between what a guest sends and what it receives.
type direction struct {
	name model.Direction
	// port is the register of the port whose rules are checked.
	port flow.SubField
	// remote4 and remote6 are the other end's address.
	remote4, remote6 flow.Field

	conntrack, track, state, rules, remote, remoteRules, refuse, commit, whole pipeline.Stage
	// next is where goes what is allowed.
	next pipeline.Stage
}

func egress() direction {
	return direction{
		name: model.Egress, port: pipeline.SourcePort, remote4: flow.IPv4Dst, remote6: flow.IPv6Dst,
		conntrack: pipeline.EgressConntrack, track: pipeline.EgressTrack, state: pipeline.EgressState,
		rules: pipeline.EgressRules, remote: pipeline.EgressRemote, remoteRules: pipeline.EgressRemoteRules,
		refuse: pipeline.EgressRefuse, commit: pipeline.EgressCommit, whole: pipeline.EgressWhole, next: pipeline.EgressBandwidth,
	}
}

func ingress() direction {
	return direction{
		name: model.Ingress, port: pipeline.DestPort, remote4: flow.IPv4Src, remote6: flow.IPv6Src,
		conntrack: pipeline.IngressConntrack, track: pipeline.IngressTrack, state: pipeline.IngressState,
		rules: pipeline.IngressRules, remote: pipeline.IngressRemote, remoteRules: pipeline.IngressRemoteRules,
		refuse: pipeline.IngressRefuse, commit: pipeline.IngressCommit, whole: pipeline.IngressWhole, next: pipeline.IngressPortSecurity,
	}
}

func directions() [2]direction { return [2]direction{egress(), ingress()} }

func directionOf(name model.Direction) direction {
	if name == model.Ingress {
		return ingress()
	}
	return egress()
}

// from demands that the other end lies within a prefix, of which an invalid one means any.
func (d direction) from(p netip.Prefix) []flow.Constraint {
	switch {
	case !p.IsValid():
		return nil
	case p.Addr().Is4():
		return []flow.Constraint{d.remote4.Prefix(p)}
	}
	return []flow.Constraint{d.remote6.Prefix(p)}
}
