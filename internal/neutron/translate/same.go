package translate

import (
	"reflect"
	"slices"

	"github.com/dragonflow/dragonflow/internal/model"
)

// Same reports whether two objects with the same key mean the same to a chassis. For memberships,
// router interfaces, bindings, gateways and what follows from these the revision does not count: it is that of the
// row that they stand for, and a new name of a port must not reach everybody who knows a member. Nor does it for
// routers: an interface more, which raises it, is an object of its own, and must not make everybody look at all the
// others again.
func Same(a, b model.Object) bool {
	switch x := a.(type) {
	case *model.SecurityGroupMember:
		y, ok := b.(*model.SecurityGroupMember)
		return ok && x.NetworkID == y.NetworkID && slices.Equal(x.Addresses, y.Addresses)
	case *model.RouterInterface:
		y, ok := b.(*model.RouterInterface)
		return ok && x.RouterID == y.RouterID && x.NetworkID == y.NetworkID && x.MACAddress == y.MACAddress &&
			x.AdminStateUp == y.AdminStateUp && slices.Equal(x.FixedIPs, y.FixedIPs)
	case *model.Router:
		y, ok := b.(*model.Router)
		return ok && x.Name == y.Name && x.ProjectID == y.ProjectID && x.AdminStateUp == y.AdminStateUp &&
			slices.Equal(x.Routes, y.Routes)
	case *model.Binding:
		y, ok := b.(*model.Binding)
		return ok && x.NetworkID == y.NetworkID && x.Status == y.Status && x.ParentPortID == y.ParentPortID && x.SegmentationID == y.SegmentationID
	case *model.RouterGateway:
		return sameBut(x, b, func(c *model.RouterGateway) { c.Revision, c.ProjectID = x.Revision, x.ProjectID })
	case *model.GatewayDuty:
		return sameBut(x, b, func(c *model.GatewayDuty) { c.Revision, c.ProjectID = x.Revision, x.ProjectID })
	case *model.FloatingIP:
		return sameBut(x, b, func(c *model.FloatingIP) { c.Revision, c.ProjectID = x.Revision, x.ProjectID })
	case *model.ExternalPort:
		return sameBut(x, b, func(c *model.ExternalPort) { c.Revision, c.ProjectID = x.Revision, x.ProjectID })
	case *model.PortForwarding:
		return sameBut(x, b, func(c *model.PortForwarding) { c.Revision, c.ProjectID = x.Revision, x.ProjectID })
	case *model.ChassisAddress:
		return sameBut(x, b, func(c *model.ChassisAddress) { c.Revision, c.ProjectID = x.Revision, x.ProjectID })
	}
	return reflect.DeepEqual(a, b)
}

// sameBut compares two objects after a copy of the second has been given what does not count of the first.
func sameBut[T any, P interface {
	*T
	model.Object
}](x P, b model.Object, forgive func(P)) bool {
	y, ok := b.(P)
	if !ok {
		return false
	}
	c := *y
	forgive(&c)
	return reflect.DeepEqual(*x, c)
}

// SameStored is Same for an object as it is wanted and one as it was read: how it was stored does not
// count.
func SameStored(want, got model.Object) bool {
	if want.Kind() != got.Kind() {
		return false
	}
	meta := *got.Metadata()
	meta.Schema, meta.Unknown = want.Metadata().Schema, want.Metadata().Unknown
	c := reflect.New(reflect.TypeOf(got).Elem())
	c.Elem().Set(reflect.ValueOf(got).Elem())
	clean := c.Interface().(model.Object)
	*clean.Metadata() = meta
	return Same(want, clean)
}
