package flow

import (
	"encoding/binary"
	"fmt"
)

// GroupType says what a group does with its buckets: OpenFlow 1.4 §5.6.1.
type GroupType uint8

// The types of groups.
const (
	GroupAll          GroupType = iota // a copy for each bucket
	GroupSelect                        // one bucket, by a hash of the packet
	GroupIndirect                      // the one bucket
	GroupFastFailover                  // the first bucket that is alive
)

// MaxGroup is the highest number of a group.
const MaxGroup = 0xffffff00

// MaxMeter is the highest number of a meter.
const MaxMeter = 0xffff0000

// noWatch says that a bucket watches no port or group.
const noWatch = 0xffffffff

// GroupEntry is a row of a switch's group table. It is comparable.
type GroupEntry struct {
	ID      uint32
	Type    GroupType
	Buckets Buckets
}

// Buckets are a group's ways for a packet, in wire form.
type Buckets struct{ wire string }

// Bucket is one of them.
type Bucket struct {
	Weight     uint16 // select: its share; others: 0
	WatchPort  uint32 // fast failover: alive while this port is; 0: none
	WatchGroup uint32 // the same for a group; 0: none
	Actions    []Action
}

// NewGroup returns a group.
func NewGroup(id uint32, kind GroupType, buckets ...Bucket) GroupEntry {
	if id > MaxGroup || kind > GroupFastFailover {
		panicf("group %#x of type %d", id, kind)
	}
	if kind == GroupIndirect && len(buckets) != 1 {
		panicf("indirect group %d with %d buckets", id, len(buckets))
	}
	var b []byte
	for i, k := range buckets {
		b = k.append(b, id, i, kind)
	}
	if len(b) > maxActions {
		panicf("group %d: buckets of %d bytes", id, len(b))
	}
	return GroupEntry{id, kind, Buckets{string(b)}}
}

func (k Bucket) append(b []byte, id uint32, i int, kind GroupType) []byte {
	if k.Weight != 0 && kind != GroupSelect {
		panicf("group %d, bucket %d: only a select group has weights", id, i)
	}
	if kind == GroupFastFailover && k.WatchPort == 0 && k.WatchGroup == 0 {
		panicf("group %d, bucket %d: watches nothing", id, i)
	}
	start := len(b)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, k.Weight)
	b = binary.BigEndian.AppendUint32(b, watched(k.WatchPort))
	b = binary.BigEndian.AppendUint32(b, watched(k.WatchGroup))
	b = append(b, 0, 0, 0, 0)
	b = appendActions(b, k.Actions)
	binary.BigEndian.PutUint16(b[start:], uint16(len(b)-start))
	return b
}

func watched(n uint32) uint32 {
	if n == 0 {
		return noWatch
	}
	return n
}

// ParseBuckets reads what a switch sends. It checks the frame of buckets and actions, and keeps none of b.
func ParseBuckets(b []byte) (Buckets, error) {
	for rest := b; len(rest) > 0; {
		if len(rest) < 16 {
			return Buckets{}, fmt.Errorf("bucket of %d bytes", len(rest))
		}
		n := int(be16(rest))
		if n < 16 || n > len(rest) {
			return Buckets{}, fmt.Errorf("bucket of %d bytes in %d", n, len(rest))
		}
		if err := checkActions(rest[16:n], 0); err != nil {
			return Buckets{}, err
		}
		rest = rest[n:]
	}
	return Buckets{string(b)}, nil
}

// Wire returns the buckets as they are sent.
func (b Buckets) Wire() string { return b.wire }

// All returns the buckets decoded.
func (b Buckets) All() []Bucket {
	var list []Bucket
	for rest := b.wire; len(rest) >= 16; {
		n := int(be16(rest))
		k := Bucket{Weight: be16(rest[2:])}
		if p := be32(rest[4:]); p != noWatch {
			k.WatchPort = p
		}
		if g := be32(rest[8:]); g != noWatch {
			k.WatchGroup = g
		}
		for a := range actionSeq(rest[16:n]) {
			k.Actions = append(k.Actions, a)
		}
		list, rest = append(list, k), rest[n:]
	}
	return list
}
