package model

// New returns an empty object of a kind, or nil if the kind is unknown: a newer version may have
// written it, and it must be left alone.
func New(kind Kind) Object {
	switch kind {
	case KindNetwork:
		return new(Network)
	case KindSubnet:
		return new(Subnet)
	case KindPort:
		return new(Port)
	case KindBinding:
		return new(Binding)
	case KindPortStatus:
		return new(PortStatus)
	case KindChassis:
		return new(Chassis)
	case KindHeartbeat:
		return new(Heartbeat)
	case KindChassisStatus:
		return new(ChassisStatus)
	case KindRouter:
		return new(Router)
	case KindRouterInterface:
		return new(RouterInterface)
	case KindRouterGateway:
		return new(RouterGateway)
	case KindGatewayDuty:
		return new(GatewayDuty)
	case KindFloatingIP:
		return new(FloatingIP)
	case KindPortForwarding:
		return new(PortForwarding)
	case KindChassisAddress:
		return new(ChassisAddress)
	case KindAddressClaim:
		return new(AddressClaim)
	case KindActiveAddress:
		return new(ActiveAddress)
	case KindEpoch:
		return new(Epoch)
	case KindSecurityGroup:
		return new(SecurityGroup)
	case KindSecurityGroupRule:
		return new(SecurityGroupRule)
	case KindSecurityGroupMember:
		return new(SecurityGroupMember)
	case KindQoSPolicy:
		return new(QoSPolicy)
	}
	return newBeside(kind)
}

// newBeside is New for what lies beside the network of guests: what is outside of it, and who looks at it.
func newBeside(kind Kind) Object {
	switch kind {
	case KindExternalPort:
		return new(ExternalPort)
	case KindSecurityGroupLog:
		return new(SecurityGroupLog)
	}
	return nil
}
