// Package db is the contract between Dragonflow and the database that holds the northbound topology.
//
// A driver stores opaque values under keys that lie in scopes, applies batches of compare-and-set
// writes, and lets a reader follow one scope: its whole content first, then every change in order. The
// contract is modelled on etcd's; what a database cannot promise it declares in [Capabilities], and the
// conformance suite in dbtest checks the declarations both ways.
//
// This package imports nothing of ours. Drivers import only this package.
package db

import (
	"context"
	"fmt"
	"time"
)

// Scope is the unit of distribution and of watching, such as "global", "chassis/c1" or
// "network/9b…/ports". Its segments, parted by '/', may hold any other bytes but may not be empty;
// drivers escape what their key syntax reserves. No scope contains another: watching "network/x" tells
// nothing about "network/x/ports".
type Scope string

// Key names one stored value. Kind and ID may hold any bytes; neither may be empty; see [Key.Check].
type Key struct {
	Scope Scope
	Kind  string
	ID    string
}

// String renders the key for messages; it is not the driver's storage key.
func (k Key) String() string { return fmt.Sprintf("%s/%s/%s", k.Scope, k.Kind, k.ID) }

// Revision orders changes within one scope. It is positive for what exists and grows with every change
// of the scope, so the revision at which a key was last written is also its compare-and-set token.
// Drivers may number all scopes from one counter.
type Revision int64

// Item is a stored value and the revision at which it was written. Value is shared: who changes it
// copies it first.
type Item struct {
	Key      Key
	Value    []byte
	Revision Revision
	// Lease is the lease with which the item vanishes, or zero if it lasts.
	Lease LeaseID
}

// Verb says what an [Op] does when its condition holds.
type Verb uint8

// The verbs of an [Op].
const (
	Check  Verb = iota // only require the condition
	Put                // write Value
	Delete             // remove the key; removing an absent key is no error when the condition allows it
)

// AnyRevision as an [Op]'s If requires nothing; zero requires that the key be absent; a positive
// revision requires that the key was last written at exactly that revision.
const AnyRevision Revision = -1

// Op is one compare-and-set operation of a batch. Its zero If means "only if absent", so that a
// forgotten condition fails instead of overwriting.
type Op struct {
	Verb  Verb
	Key   Key
	If    Revision
	Value []byte
	// Lease, if set on a Put, makes the key vanish when the lease ends.
	Lease LeaseID
}

// LeaseID names a lease within its driver. The zero LeaseID is no lease.
type LeaseID int64

// Lease is a promise of life that the driver renews by itself until it is closed or lost.
type Lease interface {
	ID() LeaseID
	// Done is closed when the lease has ended for whatever reason; keys bound to it are gone or go
	// within its time to live.
	Done() <-chan struct{}
	// Close revokes the lease and removes its keys.
	Close(ctx context.Context) error
}

// Driver is one connection to a database. All methods are safe for concurrent use, wait no longer than
// ctx allows, and answer [ErrUnavailable] (wrapped) when the database cannot be reached.
type Driver interface {
	// Get returns the latest committed item of a key, never a stale one, or ErrNotFound.
	Get(ctx context.Context, key Key) (Item, error)
	// List returns the items of a scope as of one moment, ordered by the bytes of kind, then id, and a
	// revision from which on every change has a higher one. A scope nobody wrote to is empty.
	List(ctx context.Context, scope Scope) ([]Item, Revision, error)
	// Apply carries out a batch, all or nothing, and returns for each op the revision at which its key
	// was written or deleted (zero for Check and for the Delete of an absent key). What [CheckBatch]
	// refuses is refused before anything is written. A failed condition gives a *ConflictError. After
	// any other error the outcome is unknown and the caller must read back; the driver never retries an
	// Apply whose outcome it does not know. A key may occur once in a batch.
	Apply(ctx context.Context, ops []Op) ([]Revision, error)
	// Watch follows a scope until ctx ends; see Event. The returned channel is closed when ctx ends or
	// the driver is closed. The driver reconnects by itself, for as long as it takes: an unreachable
	// database is a Stale event, not an error. A consumer that does not keep up costs bounded memory:
	// the driver falls back to Restart.
	Watch(ctx context.Context, scope Scope) (<-chan []Event, error)
	// Lease creates a lease that ends ttl (at least 2 s, whole seconds) after the last renewal that
	// reached the database. Closing the driver stops the renewal but revokes nothing, as a crash would.
	Lease(ctx context.Context, ttl time.Duration) (Lease, error)
}

// EventType says what an [Event] reports.
type EventType uint8

// The types of an [Event].
const (
	// Changed carries an item that was written (or, before InSync, that exists).
	Changed EventType = iota
	// Removed carries the key of an item that was deleted, at the revision of the deletion.
	Removed
	// Restart says that the driver cannot continue without loss: it sends the scope's whole content
	// again, closed by InSync. What the consumer holds and is not sent again no longer exists.
	Restart
	// InSync says that everything up to Item.Revision has been sent; Item.Key holds only the scope, as
	// in Restart and Stale.
	InSync
	// Stale says that the connection is lost: what the consumer holds may be old until the next
	// InSync. The driver sends it once per outage, and after it either continues without a gap
	// (InSync) or sends Restart.
	Stale
)

// Event is one step of a watch. A watch starts with the scope's content (Changed …), then InSync, then
// every change in order: without loss, or with a Restart that repairs it. Events that are ready
// together come in one slice; ops of one atomic batch in one scope are never split over slices.
type Event struct {
	Type EventType
	Item Item
}

// Durability is the class of promise that an acknowledged write gives.
type Durability uint8

// The durability classes, from weakest to strongest.
const (
	// Volatile storage loses everything with its process.
	Volatile Durability = iota
	// Async storage may lose the last acknowledged writes in a crash or failover.
	Async
	// SingleFsync storage has written to disk before it acknowledges, on one host.
	SingleFsync
	// Quorum storage has written to the disks of a majority before it acknowledges.
	Quorum
)

// String names the class as documentation and error messages do.
func (d Durability) String() string {
	return [...]string{"volatile", "async", "single-fsync", "quorum"}[d]
}

// Capabilities is what a driver declares of itself.
type Capabilities struct {
	// AtomicOps is the largest batch that Apply carries out; 1 means no batches.
	AtomicOps int
	// AtomicBytes is the largest sum of keys and values in a batch; at least MaxValue and a key.
	AtomicBytes int
	// Durability is the class of the promise that Apply's return gives.
	Durability Durability
	// MaxValue is the largest value in bytes; at least 256 KiB.
	MaxValue int
}

// Connection is an open driver with what it declares and the means to close it. Close ends all watches.
type Connection struct {
	Driver
	Capabilities Capabilities
	// Name is the driver's name for messages and metrics, such as "etcd".
	Name string
	// Scopes lists, sorted, every scope that holds something. It is for dump, backup and audit: it may
	// cost as much as reading all keys, and is not of one moment.
	Scopes func(ctx context.Context) ([]Scope, error)
	// Close ends all watches and frees everything; calling it again does nothing.
	Close func() error
}
