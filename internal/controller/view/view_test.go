package view

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/number"
)

type member struct{ group, addr string }

var (
	testMembers = NewDerived("TestMember", func(m member) string { return m.group + "|" + m.addr })
	testPrefix  = NewPrefixIndex(testMembers, "prefix", func(m member) (string, []netip.Prefix) {
		return m.group, []netip.Prefix{netip.MustParsePrefix(m.addr)}
	})
)

type touches struct{ nodes []Node }

func (w *touches) Touched(n Node)                    { w.nodes = append(w.nodes, n) }
func (w *touches) RowChanged(AnyTable, string, bool) {}
func (w *touches) KeyChanged(AnyIndex, string)       {}

func TestCoveringReadsAreInvalidatedByCoveringRowsOnly(t *testing.T) {
	w := &touches{}
	d := NewDB(w)
	Set(d, testMembers, member{"u", "10.0.0.0/8"})
	Set(d, testMembers, member{"u", "10.1.0.0/16"})
	Set(d, testMembers, member{"v", "10.1.0.0/16"})
	var noted []Node
	r := NewReader(d, number.New(), func(n Node) { noted = append(noted, n) })
	got := Covering(r, testPrefix, "u", netip.MustParsePrefix("10.1.2.3/32"))
	if want := []member{{"u", "10.0.0.0/8"}, {"u", "10.1.0.0/16"}}; !slices.Equal(got, want) {
		t.Fatalf("covering = %v, want %v", got, want)
	}
	for _, c := range []struct {
		row  member
		want bool
	}{
		{member{"u", "10.1.2.0/24"}, true},
		{member{"u", "10.1.2.3/32"}, true},
		{member{"u", "0.0.0.0/0"}, true},
		{member{"u", "10.1.3.0/24"}, false},
		{member{"v", "10.1.2.0/24"}, false},
	} {
		w.nodes = nil
		Set(d, testMembers, c.row)
		hit := slices.ContainsFunc(noted, func(n Node) bool { return slices.Contains(w.nodes, n) })
		if hit != c.want {
			t.Errorf("row %v invalidates the read: %v, want %v", c.row, hit, c.want)
		}
	}
}

func TestLongestPrefixWins(t *testing.T) {
	d := NewDB(nil)
	for _, p := range []string{"10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"} {
		Set(d, testMembers, member{"u", p})
	}
	r := NewReader(d, number.New(), nil)
	for a, want := range map[string]string{"10.1.9.9": "10.1.0.0/16", "10.2.0.1": "10.0.0.0/8", "2001:db8::1": "2001:db8::/32"} {
		got, found := Longest(r, testPrefix, "u", netip.MustParseAddr(a))
		if found != Present || got[0].addr != want {
			t.Errorf("longest(%s) = %v %v, want %s", a, got, found, want)
		}
	}
	if _, found := Longest(r, testPrefix, "u", netip.MustParseAddr("192.0.2.1")); found != Absent {
		t.Errorf("an uncovered address is %v", found)
	}
}

func TestReadsTellAbsentFromUnknown(t *testing.T) {
	d := NewDB(nil)
	r := NewReader(d, number.New(), nil)
	if _, found := Get(r, Networks, "n"); found != Unknown || len(r.Unknown()) != 1 {
		t.Errorf("a network of a scope never seen is %v", found)
	}
	d.SetSynced("network/n", true)
	if _, found := Get(NewReader(d, number.New(), nil), Networks, "n"); found != Absent {
		t.Errorf("a network missing in a scope in sync is %v", found)
	}
}

func TestAnEqualRowTouchesNothing(t *testing.T) {
	w := &touches{}
	d := NewDB(w)
	Set(d, testMembers, member{"u", "10.0.0.0/8"})
	w.nodes = nil
	Set(d, testMembers, member{"u", "10.0.0.0/8"})
	if len(w.nodes) != 0 {
		t.Errorf("touched %v", w.nodes)
	}
}
