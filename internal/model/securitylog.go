package model

// KindSecurityGroupLog is the kind of logs of security groups.
const KindSecurityGroupLog Kind = "SecurityGroupLog"

// LogEvent is what a log is about.
type LogEvent string

// The events of a log.
const (
	// LogAccept is a connection that security groups let pass.
	LogAccept LogEvent = "ACCEPT"
	// LogDrop is a packet that security groups drop.
	LogDrop LogEvent = "DROP"
	// LogAll is both.
	LogAll LogEvent = "ALL"
)

// SecurityGroupLog asks chassis to log what security groups let pass or drop (Neutron API "log" of the resource type
// "security_group"). It is about packets of the port PortID while that is in the group SecurityGroupID; where one is
// empty, about every port of the group, or about the port whatever groups it has; where both are, about all ports with a
// group of the project ProjectID.
type SecurityGroupLog struct {
	Meta
	Name string `json:"name,omitzero"`
	// Enabled is the administrative switch; while it is off nothing is logged.
	Enabled bool     `json:"enabled"`
	Event   LogEvent `json:"event"`
	// SecurityGroupID is Neutron's resource_id.
	SecurityGroupID string `json:"security_group_id,omitzero"`
	// PortID is Neutron's target_id.
	PortID string `json:"port_id,omitzero"`
}

// Kind returns KindSecurityGroupLog.
func (l *SecurityGroupLog) Kind() Kind { return KindSecurityGroupLog }

// Scope is the global one: logs are few, and which chassis have ports that one is about changes with every port.
func (l *SecurityGroupLog) Scope() string { return ScopeGlobal }

// Validate checks the event, and that it is known which ports are logged.
func (l *SecurityGroupLog) Validate() error {
	var p problems
	p.meta(&l.Meta)
	p.check(l.Event == LogAccept || l.Event == LogDrop || l.Event == LogAll, "event", "%q is unknown", l.Event)
	p.check(l.SecurityGroupID != "" || l.PortID != "" || l.ProjectID != "", "project_id",
		"must not be empty where neither group nor port is named")
	return p.result(l)
}

// Logs tells whether the log is about an event, which is LogAccept or LogDrop.
func (l *SecurityGroupLog) Logs(e LogEvent) bool {
	return l.Enabled && (l.Event == LogAll || l.Event == e)
}
