// Package openflow speaks OpenFlow 1.4 (ONF TS-015) with the Nicira extensions to an Open vSwitch.
//
// A [Conn] is one connection to a bridge's management socket. One goroutine reads and one writes; nothing that
// belongs to a caller runs in them, so neither a slow caller nor a silent switch can block the other. Every
// method that waits ends with its context or with the connection. The switch is not trusted: lengths are checked
// before they are believed, queues and replies are bounded, what is not understood is skipped and counted.
//
// Flows are changed by [Conn.Apply] in a bundle that is committed only if the switch accepted every change in it.
package openflow
