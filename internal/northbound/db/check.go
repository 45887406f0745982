package db

import (
	"fmt"
	"slices"
	"strings"
)

// MaxKey is the largest sum of bytes of a key's scope, kind and id. It leaves room for a driver's
// escaping within the key limits of the databases (ZooKeeper and NATS have the lowest).
const MaxKey = 1024

// Check reports with ErrInvalidKey what no driver stores: an empty part, a scope with an empty segment,
// or more than MaxKey bytes.
func (k Key) Check() error {
	if err := k.Scope.Check(); err != nil {
		return err
	}
	if k.Kind == "" || k.ID == "" {
		return fmt.Errorf("%w: kind and id must not be empty: %q", ErrInvalidKey, k)
	}
	if k.size() > MaxKey {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed: %.64q…", ErrInvalidKey, k.size(), MaxKey, k)
	}
	return nil
}

func (k Key) size() int { return len(k.Scope) + len(k.Kind) + len(k.ID) }

// Check reports with ErrInvalidKey a scope that is too long or has an empty segment.
func (s Scope) Check() error {
	if len(s) > MaxKey {
		return fmt.Errorf("%w: scope of %d bytes, at most %d are allowed", ErrInvalidKey, len(s), MaxKey)
	}
	if slices.Contains(strings.Split(string(s), "/"), "") {
		return fmt.Errorf("%w: scope %q has an empty segment", ErrInvalidKey, s)
	}
	return nil
}

// CompareKeys orders keys by the bytes of scope, kind and id, as List does.
func CompareKeys(a, b Key) int {
	if c := strings.Compare(string(a.Scope), string(b.Scope)); c != 0 {
		return c
	}
	if c := strings.Compare(a.Kind, b.Kind); c != 0 {
		return c
	}
	return strings.Compare(a.ID, b.ID)
}

// CheckBatch reports why a driver with the given capabilities refuses a batch; every driver calls it
// before it writes. Errors are ErrInvalidKey, ErrInvalidOp, ErrTooLarge and ErrBatchTooLarge.
func CheckBatch(ops []Op, can Capabilities) error {
	if len(ops) > can.AtomicOps {
		return fmt.Errorf("%w: %d operations, at most %d are atomic", ErrBatchTooLarge, len(ops), can.AtomicOps)
	}
	seen := make(map[Key]struct{}, len(ops))
	size := 0
	for i := range ops {
		op := &ops[i]
		if err := op.check(can); err != nil {
			return err
		}
		if _, twice := seen[op.Key]; twice {
			return fmt.Errorf("%w: %s occurs twice in the batch", ErrInvalidOp, op.Key)
		}
		seen[op.Key] = struct{}{}
		size += op.Key.size() + len(op.Value)
	}
	if size > can.AtomicBytes {
		return fmt.Errorf("%w: %d bytes, at most %d are atomic", ErrBatchTooLarge, size, can.AtomicBytes)
	}
	return nil
}

func (o *Op) check(can Capabilities) error {
	if err := o.Key.Check(); err != nil {
		return err
	}
	switch {
	case o.Verb > Delete:
		return fmt.Errorf("%w: %s: unknown verb %d", ErrInvalidOp, o.Key, o.Verb)
	case o.If < AnyRevision:
		return fmt.Errorf("%w: %s: condition %d", ErrInvalidOp, o.Key, o.If)
	case o.Verb != Put && (len(o.Value) > 0 || o.Lease != 0):
		return fmt.Errorf("%w: %s: only a Put has a value or a lease", ErrInvalidOp, o.Key)
	case len(o.Value) > can.MaxValue:
		return fmt.Errorf("%w: %s has %d bytes, at most %d are allowed", ErrTooLarge, o.Key, len(o.Value), can.MaxValue)
	}
	return nil
}
