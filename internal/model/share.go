package model

import "unique"

// Share gives an object the one copy that there is of each string that many objects carry: the ids of what they
// refer to, and names of chassis. A chassis holds ten thousands of objects, each of which would have its own.
// It must be called by who has just made the object.
func Share(o Object) {
	switch o := o.(type) {
	case *Port:
		share(&o.NetworkID, &o.DeviceID, &o.DeviceOwner, &o.Host, &o.QoSPolicyID)
		for i := range o.FixedIPs {
			share(&o.FixedIPs[i].SubnetID)
		}
		for i := range o.SecurityGroups {
			share(&o.SecurityGroups[i])
		}
	case *Binding:
		share(&o.NetworkID, &o.Host)
	case *RouterInterface:
		share(&o.RouterID, &o.NetworkID)
	case *SecurityGroupRule:
		share(&o.SecurityGroupID, &o.RemoteGroupID)
	case *SecurityGroupMember:
		share(&o.SecurityGroupID, &o.NetworkID)
	}
	share(&o.Metadata().ProjectID)
}

func share(list ...*string) {
	for _, s := range list {
		if *s != "" {
			*s = unique.Make(*s).Value()
		}
	}
}
