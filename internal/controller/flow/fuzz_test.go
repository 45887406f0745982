package flow_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

// FuzzParseMatch gives the decoder of matches any bytes: what it accepts is canonical and says what it holds.
func FuzzParseMatch(f *testing.F) {
	f.Add([]byte(flow.NewMatch(flow.IPv4(), flow.IPProto.Is(6), flow.TCPFlags.Masked(2, 2), flow.Tagged(5), flow.Reg6.Part(0, 4).Is(1), flow.CTStateIs(1, 2)).Wire()))
	f.Add([]byte{0, 1, 0xdf, 0x20, 31: 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := flow.ParseKnown(b); err == nil {
			_ = m.String()
		}
		m, err := flow.ParseMatch(b)
		if err != nil {
			return
		}
		again, err := flow.ParseMatch([]byte(m.Wire()))
		if err != nil || again != m {
			t.Fatalf("%x is not canonical: %v, %x", m.Wire(), err, again.Wire())
		}
		_ = m.String()
		last := flow.Field(0)
		for c := range m.Fields() {
			if c.Field <= last || c.Mask.IsZero() || !c.Value.AndNot(c.Mask).IsZero() {
				t.Fatalf("%x yields %+v after %v", m.Wire(), c, last)
			}
			last = c.Field
		}
	})
}

// FuzzParseInstructions gives the decoder of instructions and actions any bytes.
func FuzzParseInstructions(f *testing.F) {
	for _, a := range each() {
		f.Add([]byte(flow.Do(a).Goto(4).Wire()))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := flow.ParseInstructions(b)
		if err != nil {
			return
		}
		if i.Wire() != string(b) {
			t.Fatalf("%x became %x", b, i.Wire())
		}
		_ = i.String()
		for s := range i.Steps() {
			for _, a := range s.Write {
				_ = a.Decode()
			}
		}
	})
}

// FuzzParseBuckets gives the decoder of groups any bytes.
func FuzzParseBuckets(f *testing.F) {
	f.Add([]byte(flow.NewGroup(1, flow.GroupAll, flow.Bucket{Actions: each()}).Buckets.Wire()))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := flow.ParseBuckets(b)
		if err != nil {
			return
		}
		for _, bucket := range k.All() {
			for _, a := range bucket.Actions {
				_ = a.String()
			}
		}
	})
}
