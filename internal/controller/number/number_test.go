package number

import (
	"slices"
	"testing"
)

func TestAContentKeepsItsNumberWhileItRests(t *testing.T) {
	a := New()
	sp := Space{"zone", 1, 3}
	n := lookup(t, a, sp, "p1")
	a.Claim("zone", "p1")
	a.Release("zone", "p1")
	if got := lookup(t, a, sp, "p1"); got != n {
		t.Fatalf("number changed from %d to %d while resting", n, got)
	}
	a.Claim("zone", "p1")
	a.Settle([]Entry{{"zone", "p1", n}})
	if got := lookup(t, a, sp, "p1"); got != n {
		t.Fatalf("a claimed number was freed: %d became %d", n, got)
	}
}

func TestANumberIsNotReusedBeforeSettle(t *testing.T) {
	a := New()
	sp := Space{"zone", 1, 2}
	lookup(t, a, sp, "p1")
	lookup(t, a, sp, "p2")
	a.Claim("zone", "p2")
	if _, err := a.Lookup(sp, "p3"); err == nil {
		t.Fatal("a third number came out of a space of two, one of them resting")
	}
	a.Settle(a.Resting())
	if got := lookup(t, a, sp, "p3"); got != 1 {
		t.Fatalf("got %d, want the freed 1", got)
	}
}

func TestRestoreKeepsNumbersAndSettleFreesTheUnclaimed(t *testing.T) {
	a := New()
	a.Restore([]Entry{{"port", "a", 7}, {"port", "b", 8}, {"port", "c", 7}})
	sp := Space{"port", 1, 100}
	if got := lookup(t, a, sp, "a"); got != 7 {
		t.Fatalf("a is %d after restore, want 7", got)
	}
	if got := lookup(t, a, sp, "c"); got == 7 {
		t.Fatal("a damaged snapshot made two contents share number 7")
	}
	a.Claim("port", "a")
	a.Settle(a.Resting())
	want := []Entry{{"port", "a", 7}}
	if got := a.Entries(); !slices.Equal(got, want) {
		t.Fatalf("after settle: %v, want %v", got, want)
	}
}

func lookup(t *testing.T, a *Allocator, sp Space, c string) uint32 {
	t.Helper()
	n, err := a.Lookup(sp, c)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
