package ovsdb

// readers says for each table which columns are followed. Nothing that changes
// by itself, such as statistics, is among them.
func readers() [tableCount]reader {
	return [tableCount]reader{
		TableOpenvSwitch: openvSwitchReader(),
		TableBridge:      bridgeReader(),
		TablePort:        portReader(),
		TableInterface:   interfaceReader(),
		TableFlowTable:   flowTableReader(),
		TableController:  controllerReader(),
		TableQoS:         qosReader(),
		TableQueue:       queueReader(),
	}
}

// begin copies the old row, or makes an empty one.
func begin[T any](setID func(*T, UUID)) func(UUID, *T) *T {
	return func(id UUID, base *T) *T {
		row := new(T)
		if base != nil {
			*row = *base
		}
		setID(row, id)
		return row
	}
}

func openvSwitchReader() reader {
	type row = OpenvSwitch
	return tableReader[row, *row]{
		begin: begin(func(r *row, id UUID) { r.UUID = id }),
		cols: []column[row]{
			scalar("ovs_version", parseText, func(r *row) *string { return &r.OVSVersion }),
			setOf("bridges", parseUUID, func(r *row) *[]UUID { return &r.Bridges }),
			texts("external_ids", func(r *row) *map[string]string { return &r.ExternalIDs }),
			texts("other_config", func(r *row) *map[string]string { return &r.OtherConfig }),
		},
	}
}

func bridgeReader() reader {
	type row = Bridge
	return tableReader[row, *row]{
		begin: begin(func(r *row, id UUID) { r.UUID = id }),
		cols: []column[row]{
			scalar("name", parseText, func(r *row) *string { return &r.Name }),
			scalar("datapath_type", parseText, func(r *row) *string { return &r.DatapathType }),
			scalar("datapath_id", parseText, func(r *row) *string { return &r.DatapathID }),
			scalar("fail_mode", parseText, func(r *row) *string { return &r.FailMode }),
			setOf("protocols", parseText, func(r *row) *[]string { return &r.Protocols }),
			setOf("ports", parseUUID, func(r *row) *[]UUID { return &r.Ports }),
			setOf("controller", parseUUID, func(r *row) *[]UUID { return &r.Controllers }),
			dictOf("flow_tables", parseInteger, parseUUID, func(r *row) *map[int]UUID { return &r.FlowTables }),
			texts("external_ids", func(r *row) *map[string]string { return &r.ExternalIDs }),
			texts("other_config", func(r *row) *map[string]string { return &r.OtherConfig }),
		},
	}
}

func portReader() reader {
	type row = Port
	return tableReader[row, *row]{
		begin: begin(func(r *row, id UUID) { r.UUID = id }),
		cols: []column[row]{
			scalar("name", parseText, func(r *row) *string { return &r.Name }),
			setOf("interfaces", parseUUID, func(r *row) *[]UUID { return &r.Interfaces }),
			scalar("tag", parseInteger, func(r *row) *int { return &r.Tag }),
			scalar("qos", parseUUID, func(r *row) *UUID { return &r.QoS }),
			texts("external_ids", func(r *row) *map[string]string { return &r.ExternalIDs }),
		},
	}
}

func interfaceReader() reader {
	type row = Interface
	return tableReader[row, *row]{
		begin: begin(func(r *row, id UUID) { r.UUID = id }),
		cols: []column[row]{
			scalar("name", parseText, func(r *row) *string { return &r.Name }),
			scalar("type", parseText, func(r *row) *string { return &r.Type }),
			scalar("ofport", parseInteger, func(r *row) *int { return &r.OFPort }),
			scalar("mac_in_use", parseText, func(r *row) *string { return &r.MACInUse }),
			scalar("link_state", parseText, func(r *row) *string { return &r.LinkState }),
			scalar("admin_state", parseText, func(r *row) *string { return &r.AdminState }),
			scalar("error", parseText, func(r *row) *string { return &r.Error }),
			texts("options", func(r *row) *map[string]string { return &r.Options }),
			texts("bfd", func(r *row) *map[string]string { return &r.BFD }),
			texts("bfd_status", func(r *row) *map[string]string { return &r.BFDStatus }),
			texts("external_ids", func(r *row) *map[string]string { return &r.ExternalIDs }),
		},
		// ovs-vswitchd clears these itself when it loses the interface, but not
		// where the database had lost them already (see remembered).
		end: func(old, r *row) {
			if old != nil && old.OFPort > 0 && r.OFPort <= 0 {
				r.MACInUse, r.LinkState, r.AdminState, r.BFDStatus = "", "", "", nil
			}
		},
	}
}

func flowTableReader() reader {
	type row = FlowTable
	return tableReader[row, *row]{
		begin: begin(func(r *row, id UUID) { r.UUID = id }),
		cols: []column[row]{
			scalar("name", parseText, func(r *row) *string { return &r.Name }),
			setOf("prefixes", parseText, func(r *row) *[]string { return &r.Prefixes }),
			texts("external_ids", func(r *row) *map[string]string { return &r.ExternalIDs }),
		},
	}
}

func controllerReader() reader {
	type row = Controller
	return tableReader[row, *row]{
		begin: begin(func(r *row, id UUID) { r.UUID = id }),
		cols: []column[row]{
			scalar("target", parseText, func(r *row) *string { return &r.Target }),
			scalar("is_connected", parseBool, func(r *row) *bool { return &r.Connected }),
		},
	}
}

// remembered returns the row as the database will show it once ovs-vswitchd
// has written its status again: a restart of ovsdb-server loses the columns
// that the schema calls ephemeral, and says nothing about what they describe.
func remembered(old, row Row) Row {
	switch r := row.(type) {
	case *Interface:
		o := old.(*Interface) // the same table
		if r.OFPort <= 0 || o.OFPort != r.OFPort {
			return row
		}
		c := *r
		keep(&c.MACInUse, o.MACInUse)
		keep(&c.LinkState, o.LinkState)
		keep(&c.AdminState, o.AdminState)
		if len(c.BFDStatus) == 0 {
			c.BFDStatus = o.BFDStatus
		}
		return &c
	case *Bridge:
		c := *r
		keep(&c.DatapathID, old.(*Bridge).DatapathID)
		return &c
	}
	return row
}

func keep(to *string, old string) {
	if *to == "" {
		*to = old
	}
}

func qosReader() reader {
	type row = QoS
	return tableReader[row, *row]{
		begin: begin(func(r *row, id UUID) { r.UUID = id }),
		cols: []column[row]{
			scalar("type", parseText, func(r *row) *string { return &r.Type }),
			dictOf("queues", parseInteger, parseUUID, func(r *row) *map[int]UUID { return &r.Queues }),
			texts("other_config", func(r *row) *map[string]string { return &r.OtherConfig }),
			texts("external_ids", func(r *row) *map[string]string { return &r.ExternalIDs }),
		},
	}
}

func queueReader() reader {
	type row = Queue
	return tableReader[row, *row]{
		begin: begin(func(r *row, id UUID) { r.UUID = id }),
		cols: []column[row]{
			texts("other_config", func(r *row) *map[string]string { return &r.OtherConfig }),
			texts("external_ids", func(r *row) *map[string]string { return &r.ExternalIDs }),
		},
	}
}
