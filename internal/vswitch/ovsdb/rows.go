package ovsdb

// UUID names a row, in the usual text form.
type UUID string

// Table is one of the tables that a Client follows.
type Table int

// The tables, in the order in which a batch of changes lists them.
const (
	TableOpenvSwitch Table = iota
	TableBridge
	TablePort
	TableInterface
	TableFlowTable
	TableController
	TableQoS
	TableQueue
	tableCount
)

// String is the table's name in the database.
func (t Table) String() string {
	if t < 0 || t >= tableCount {
		return "?"
	}
	return [...]string{"Open_vSwitch", "Bridge", "Port", "Interface", "Flow_Table", "Controller", "QoS", "Queue"}[t]
}

// Row is a row of one of the tables: *OpenvSwitch, *Bridge, *Port, *Interface,
// *FlowTable, *Controller, *QoS or *Queue. Rows are immutable, with all that they refer to:
// whoever has one may keep it, nobody may change it. What a row does not have
// is the zero value. Sets are sorted.
type Row interface {
	Table() Table
	ID() UUID
}

// OpenvSwitch is the one row of the root table.
type OpenvSwitch struct {
	UUID        UUID
	OVSVersion  string
	Bridges     []UUID
	ExternalIDs map[string]string
	OtherConfig map[string]string
}

// Bridge is a row of the table Bridge.
type Bridge struct {
	UUID         UUID
	Name         string
	DatapathType string
	DatapathID   string // 16 hexadecimal digits, once ovs-vswitchd has the bridge
	FailMode     string // "", "standalone" or "secure"
	Protocols    []string
	Ports        []UUID
	Controllers  []UUID
	FlowTables   map[int]UUID
	ExternalIDs  map[string]string
	OtherConfig  map[string]string
}

// Port is a row of the table Port.
type Port struct {
	UUID        UUID
	Name        string
	Interfaces  []UUID
	Tag         int  // VLAN of an access port; 0 if none
	QoS         UUID // "" if none
	ExternalIDs map[string]string
}

// Interface is a row of the table Interface. MACInUse, LinkState and
// AdminState are what ovs-vswitchd reported last; an interface that it gave up
// (OFPort -1) has none of them. They survive a restart of ovsdb-server here,
// while the database loses them until ovs-vswitchd writes them anew.
type Interface struct {
	UUID       UUID
	Name       string
	Type       string // "" is a device of the system
	OFPort     int    // OpenFlow number; 0 not known yet, -1 could not be added, see Error
	MACInUse   string
	LinkState  string // "", "up" or "down"
	AdminState string // "", "up" or "down"
	Error      string
	Options    map[string]string
	// BFD is how liveness is monitored on the interface, BFDStatus what came of it (RFC 5880).
	BFD, BFDStatus map[string]string
	ExternalIDs    map[string]string
}

// Hears reports whether BFD hears the other end, and the other end this one.
func (r *Interface) Hears() bool { return r.BFDStatus["state"] == "up" }

// Forwards reports whether BFD finds the other end able to take packets: the session is up, and the other
// end does not say that the path behind it is down.
func (r *Interface) Forwards() bool {
	return r.Hears() && r.BFDStatus["forwarding"] == "true"
}

// IfaceID is the Neutron port that the interface says it belongs to
// (external_ids:iface-id, set by Nova), "" if none.
func (r *Interface) IfaceID() string { return r.ExternalIDs["iface-id"] }

// FlowTable is a row of the table Flow_Table.
type FlowTable struct {
	UUID        UUID
	Name        string
	Prefixes    []string
	ExternalIDs map[string]string
}

// Controller is a row of the table Controller.
type Controller struct {
	UUID      UUID
	Target    string
	Connected bool
}

// QoS is a row of the table QoS: how ports share what they send.
type QoS struct {
	UUID        UUID
	Type        string
	Queues      map[int]UUID // by number
	OtherConfig map[string]string
	ExternalIDs map[string]string
}

// Queue is a row of the table Queue.
type Queue struct {
	UUID        UUID
	OtherConfig map[string]string
	ExternalIDs map[string]string
}

// Table implements Row.
func (*OpenvSwitch) Table() Table { return TableOpenvSwitch }

// ID implements Row.
func (r *OpenvSwitch) ID() UUID { return r.UUID }

// Table implements Row.
func (*Bridge) Table() Table { return TableBridge }

// ID implements Row.
func (r *Bridge) ID() UUID { return r.UUID }

// Table implements Row.
func (*Port) Table() Table { return TablePort }

// ID implements Row.
func (r *Port) ID() UUID { return r.UUID }

// Table implements Row.
func (*Interface) Table() Table { return TableInterface }

// ID implements Row.
func (r *Interface) ID() UUID { return r.UUID }

// Table implements Row.
func (*FlowTable) Table() Table { return TableFlowTable }

// ID implements Row.
func (r *FlowTable) ID() UUID { return r.UUID }

// Table implements Row.
func (*Controller) Table() Table { return TableController }

// ID implements Row.
func (r *Controller) ID() UUID { return r.UUID }

// Table implements Row.
func (*QoS) Table() Table { return TableQoS }

// ID implements Row.
func (r *QoS) ID() UUID { return r.UUID }

// Table implements Row.
func (*Queue) Table() Table { return TableQueue }

// ID implements Row.
func (r *Queue) ID() UUID { return r.UUID }
