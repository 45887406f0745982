// Package adopt tells what a host that agents of ML2/OVS or the controller of OVN have served needs before a controller
// of Dragonflow can serve it, and with which settings. It looks, and changes nothing.
//
// Observe asks the host: its OVSDB, the flows of the integration bridge, its processes and network namespaces. Plan makes of that
// what has to be done, in order, as commands that somebody reads before running them.
package adopt
