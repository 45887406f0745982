package view

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/number"
)

type member struct{ group, addr string }

var (
	testOthers  = NewDerived("TestOther", func(m member) string { return m.group + "|" + m.addr })
	testMembers = NewDerived("TestMember", func(m member) string { return m.group + "|" + m.addr })
	testPrefix  = NewPrefixIndex(testMembers, "prefix", func(m member) (string, []netip.Prefix) {
		return m.group, []netip.Prefix{netip.MustParsePrefix(m.addr)}
	})
)

type touches struct{ nodes []*Node }

func (w *touches) Touched(n *Node)               { w.nodes = append(w.nodes, n) }
func (w *touches) RowChanged(AnyTable, *Subject) {}
func (w *touches) KeyChanged(AnyIndex, *Subject) {}

func TestCoveringReadsAreInvalidatedByCoveringRowsOnly(t *testing.T) {
	w := &touches{}
	d := NewDB(w)
	Set(d, testMembers, member{"u", "10.0.0.0/8"})
	Set(d, testMembers, member{"u", "10.1.0.0/16"})
	Set(d, testMembers, member{"v", "10.1.0.0/16"})
	var noted []*Node
	r := NewReader(d, number.New(), func(n *Node) {
		n.Readers = w
		noted = append(noted, n)
	})
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
		hit := slices.ContainsFunc(noted, func(n *Node) bool { return slices.Contains(w.nodes, n) })
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

func TestAnEmptyGroupIsOneNodeForAllWhoAskIt(t *testing.T) {
	w := &touches{}
	d := NewDB(w)
	noted := map[*Node]bool{}
	r := NewReader(d, number.New(), func(n *Node) {
		n.Readers = w
		noted[n] = true
	})
	ask := func(p string) { Covering(r, testPrefix, "u", netip.MustParsePrefix(p)) }
	ask("10.1.2.3/32")
	ask("10.1.2.4/32")
	if len(noted) != 1 {
		t.Errorf("%d nodes were noted, want 1", len(noted))
	}
	Set(d, testMembers, member{"v", "10.0.0.0/8"})
	if len(w.nodes) != 0 {
		t.Error("a row of another group invalidates")
	}
	Set(d, testMembers, member{"u", "192.0.2.0/24"})
	if len(w.nodes) != 1 || !noted[w.nodes[0]] {
		t.Errorf("the first row of the group invalidates %d reads, want 1", len(w.nodes))
	}
	ask("10.1.2.3/32")
	w.nodes = nil
	Set(d, testMembers, member{"u", "10.1.0.0/16"})
	if len(w.nodes) != 1 || w.nodes[0].Key() != "u/10.1.2.3/32" {
		t.Errorf("a covering row invalidates %d reads, want that of 10.1.2.3/32", len(w.nodes))
	}
}

func TestWhatNobodyRemembersIsForgotten(t *testing.T) {
	w := &touches{}
	d := NewDB(w)
	var noted []*Node
	r := NewReader(d, number.New(), func(n *Node) {
		n.Readers = w
		noted = append(noted, n)
	})
	byGroup := NewIndex(testOthers, "group", func(m member) []string { return []string{m.group} }, func(string) string { return "scope" })
	for range 2 { // once without a row, once with one
		Get(r, testOthers, "u|10.0.0.0/8")
		Find(r, byGroup, "u")
		All(r, testOthers)
		Covering(r, testPrefix, "u", netip.MustParsePrefix("10.1.2.3/32"))
		Set(d, testOthers, member{"u", "10.0.0.0/8"})
		Set(d, testMembers, member{"u", "10.0.0.0/8"})
		d.SetSynced("scope", true)
	}
	Delete(d, testOthers, "u|10.0.0.0/8")
	Delete(d, testMembers, "u|10.0.0.0/8")
	d.SetSynced("scope", false)
	for _, n := range noted {
		n.Readers = nil
		d.Forget(n)
	}
	for _, st := range d.tables {
		if len(st.rows) != 0 || st.count != 0 {
			t.Errorf("%d rows are left of %s, %d counted", len(st.rows), st.home.table.Name(), st.count)
		}
		for _, x := range st.indexes {
			if len(x.keys)+len(x.groups) != 0 {
				t.Errorf("%s: %d keys and %d groups of index %s are left", st.home.table.Name(), len(x.keys), len(x.groups), x.Name())
			}
		}
	}
	if len(d.scopes) != 0 {
		t.Errorf("%d scopes are left", len(d.scopes))
	}
}
