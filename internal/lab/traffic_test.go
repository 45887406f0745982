package lab

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// cable is a network with two machines and nothing else.
func cable(t *testing.T) (f *Fabric, machines []*Guest) {
	t.Helper()
	if os.Geteuid() != 0 {
		ovs.Missing(t, "network namespaces need root")
	}
	f, err := NewFabric()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // nothing depends on it
	for i, addresses := range [][]string{{"192.0.2.1/24", "2001:db8::1/64"}, {"192.0.2.2/24", "2001:db8::2/64"}} {
		port := []string{"left", "right"}[i]
		g, err := NewGuest(f.Namespace, Spec{Name: port, Port: port, MAC: net.HardwareAddr{2, 0, 0, 0, 0, byte(i)}, NoDAD: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = g.Close() })
		for _, a := range addresses {
			if err := g.AddAddress(netip.MustParsePrefix(a)); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := f.Run(t.Context(), "ip", "link", "set", port, "master", Underlay); err != nil {
			t.Fatal(err, out)
		}
		machines = append(machines, g)
	}
	return f, machines
}

// TestTrafficNoticesWhatIsLost takes the network between two machines away for a moment, for longer, and not at all.
func TestTrafficNoticesWhatIsLost(t *testing.T) {
	t.Parallel()
	f, machines := cable(t)
	echo, err := machines[1].ServeEcho(t.Context(), "[::]:7000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = echo.Close() })
	for _, away := range []time.Duration{0, 120 * time.Millisecond, 1200 * time.Millisecond} {
		tr := NewTraffic(Usual())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		for _, to := range []string{"192.0.2.2", "2001:db8::2"} {
			if err := tr.Start(ctx, machines[0], netip.AddrPortFrom(netip.MustParseAddr(to), 7000)); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		for _, up := range []bool{false, true} {
			<-time.After(300 * time.Millisecond)
			if away == 0 {
				continue
			}
			if err := f.SetDevice(Underlay, up); err != nil {
				t.Fatal(err)
			}
			if !up {
				<-time.After(away)
			}
		}
		<-time.After(300 * time.Millisecond)
		tr.End()
		t.Logf("away for %v: %s", away, tr)
		checkNoticed(t, tr, away)
	}
}

func checkNoticed(t *testing.T, tr *Traffic, away time.Duration) {
	t.Helper()
	lost := tr.Lost()
	if away == 0 {
		if lost != nil || tr.LostAtLast() != nil {
			t.Errorf("nothing was lost: %v, %v", lost, tr.LostAtLast())
		}
		return
	}
	if lost == nil || tr.LostAtLast() == nil || tr.Interrupted(away/2) == nil {
		t.Errorf("away for %v: %v, %v, %v", away, lost, tr.LostAtLast(), tr.Interrupted(away/2))
	}
	all := strings.Join(append(append(append([]string{}, tr.lost...), tr.late...), tr.broken...), "\n")
	for _, what := range []string{"ping 192.0.2.2", "ping 2001:db8::2", "stream to 192.0.2.2:7000", "stream to [2001:db8::2]:7000",
		"new connection to 192.0.2.2:7000", "new connection to [2001:db8::2]:7000"} {
		if !strings.Contains(all, what) {
			t.Errorf("away for %v: %s has not noticed:\n%s", away, what, all)
		}
	}
	if len(tr.broken) > 0 {
		t.Errorf("TCP survives %v: %v", away, tr.broken)
	}
}

// TestWhatIsSentTwiceIsNotLost has so slow a line between two machines that the one sends again what is still under way. The
// answer comes before the other's word that it had it twice.
func TestWhatIsSentTwiceIsNotLost(t *testing.T) {
	t.Parallel()
	from, to, c := slowLine(t)
	_ = c.Close() // it came about
	tr := NewTraffic(Usual())
	tr.attempt(from, to)
	if err := tr.Lost(); err != nil {
		t.Error(err)
	}
}

// TestTheEndOfAStreamThatIsSentTwiceIsNotLost has the same line: the word about the end comes when the connection is no more.
func TestTheEndOfAStreamThatIsSentTwiceIsNotLost(t *testing.T) {
	t.Parallel()
	_, _, c := slowLine(t)
	if err := Exchange(c, trafficPatience); err != nil { // the line is busy now
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	tr := NewTraffic(Usual())
	tr.stream(over, c)
	if err := tr.Lost(); err != nil {
		t.Error(err)
	}
}

func TestWordsOfWhatWasSentTwiceMayBeMissing(t *testing.T) {
	t.Parallel()
	for l, want := range map[losses]int{
		{}:                             0,
		{again: 1}:                     1,
		{again: 13, had: 13}:           0,
		{again: 14, had: 13}:           0,
		{again: 14, had: 13, holes: 1}: 1,
		{again: 4, had: 3}:             1,
		{again: 15, had: 13}:           2,
		{again: 14, had: 3}:            11,
	} {
		if got := l.count(); got != want {
			t.Errorf("%v are taken for %d", l, got)
		}
	}
}

// slowLine is a cable whose other machine is slow to send: a SYN and an acknowledgement pass at once, and what follows waits
// for a third of a second. It returns a machine, an Echo of the other, and a connection between them.
func slowLine(t *testing.T) (*Guest, netip.AddrPort, net.Conn) {
	t.Helper()
	f, machines := cable(t)
	echo, err := machines[1].ServeEcho(t.Context(), "[::]:7000")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = echo.Close() })
	// Neighbours know each other, so that the line is free.
	to := netip.MustParseAddrPort("192.0.2.2:7000")
	c, err := machines[0].Dial(t.Context(), "tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	slow := []string{"tc", "qdisc", "add", "dev", "right", "root", "tbf", "rate", "1600bit", "burst", "150", "latency", "20s"}
	if out, err := f.Run(t.Context(), slow...); err != nil {
		t.Fatal(err, out)
	}
	return machines[0], to, c
}
