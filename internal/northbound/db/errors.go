package db

import (
	"errors"
	"fmt"
)

// Errors of a driver, always wrapped with the operation and the key.
var (
	ErrNotFound      = errors.New("not found")
	ErrUnavailable   = errors.New("database unavailable")
	ErrTooLarge      = errors.New("value too large")
	ErrBatchTooLarge = errors.New("batch too large")
	ErrInvalidKey    = errors.New("invalid key")
	ErrInvalidOp     = errors.New("invalid operation")
	// ErrLeaseGone answers a Put with a lease that has ended.
	ErrLeaseGone = errors.New("lease has ended")
	// ErrFull says that the database or its disk has no more room; it may still be read.
	ErrFull = errors.New("database full")
	// ErrClosed answers every call after Close.
	ErrClosed = errors.New("connection closed")
)

// ConflictError says which condition of a batch did not hold. Current is the key's revision at that
// moment, zero if it was absent.
type ConflictError struct {
	Key     Key
	Want    Revision
	Current Revision
}

// Error names the key and both revisions.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("conflict on %s: expected revision %d, found %d", e.Key, e.Want, e.Current)
}
