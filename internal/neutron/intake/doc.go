// Package intake is the door by which a real Neutron pushes its objects: HTTP with JSON bodies, over a Unix socket or
// TLS with client certificates. What it takes are the objects as Neutron's API shows them, each with its revision
// number; what it answers is what became of each, and in the other direction what chassis report.
//
// It keeps nothing but what makes a listing of Neutron's comparable with an earlier one: any number of servers may
// take pushes for one database. How revisions decide is [api.Server.Push]'s; here bytes become resources.
package intake
