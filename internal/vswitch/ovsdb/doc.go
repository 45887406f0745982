// Package ovsdb is a client of Open vSwitch's configuration database: OVSDB
// (RFC 7047) with ovsdb-server's monitor_cond_since (ovsdb-server(7)).
//
// A Client keeps one connection, follows the few tables and columns that a
// chassis needs, and tells its one consumer about them in Events: the first
// event has every row, later ones only what differs from what was told before,
// also across reconnects and restarts of ovsdb-server. The consumer keeps its
// own DB by DB.Apply, so that nothing is shared and nothing is locked:
//
//	db := ovsdb.NewDB()
//	for ev := range client.Events() {
//		touched := db.Apply(ev.Changes)
//		…
//		err := client.Transact(ctx, ovsdb.EnsureBridge(db, spec))
//	}
//
// Functions such as EnsureBridge look at a DB and return the transaction that
// makes it so, an empty one if it is so already. They touch only what is ours:
// rows whose external_ids have the key OwnerKey, and single keys elsewhere.
//
// The peer is not trusted: what it sends is bounded, typed and checked before
// it is used; what it does not send runs into a deadline.
package ovsdb
