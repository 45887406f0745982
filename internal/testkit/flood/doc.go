// Package flood has a hostile guest make its chassis work, and measures what that costs the controller and the other
// guests: under Dragonflow and, for comparison, on plain switches that know nothing of services or tenants. The frames
// are of all kinds that the switch or the controller answers, from the guest's own addresses, so that port security lets
// them pass.
//
// Each plane is two hypervisors on a fabric of their own, out of network namespaces. Needs root.
package flood
