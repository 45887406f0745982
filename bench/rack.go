package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// rack is some chassis without control plane: each has an ovsdb-server and an ovs-vswitchd with the dummy
// datapath, and interfaces that wait for their ports.
type rack struct {
	shape    shape
	switches []*private.Switch
	watches  []*flowWatch
	// tunnels are the addresses for tunnels; no packet comes to one of a chassis with the dummy datapath.
	tunnels []netip.Addr
	// physical is the physical network to which the chassis are connected, if they are to any.
	physical string
}

func chassisName(i int) string { return fmt.Sprintf("c%d", i+1) }

// rack starts n chassis with an integration bridge.
func (r *run) rack(ctx context.Context, n int, s shape) (*rack, error) {
	k := &rack{shape: s}
	for i := range n {
		sw, err := r.vswitch(ctx, private.Config{SystemID: chassisName(i)})
		if err != nil {
			return nil, err
		}
		// A starved vswitchd must not give up a bundle of either side.
		if err := sw.AddBridge(ctx, "br-int", "set", "Open_vSwitch", ".", "other_config:bundle-idle-timeout=120"); err != nil {
			return nil, err
		}
		w, err := r.watchFlows(ctx, sw.Mgmt("br-int"))
		if err != nil {
			return nil, err
		}
		k.switches, k.watches = append(k.switches, sw), append(k.watches, w)
		k.tunnels = append(k.tunnels, netip.AddrFrom4([4]byte{172, 16, 0, byte(1 + i)}))
	}
	return k, nil
}

// home is the chassis of the n-th port.
func (k *rack) home(n int) int { return k.shape.home(n, len(k.switches)) }

// plug gives ports their interfaces.
func (k *rack) plug(ctx context.Context, numbers []int) error {
	for c, sw := range k.switches {
		var mine []int
		for _, n := range numbers {
			if k.home(n) == c {
				mine = append(mine, n)
			}
		}
		err := plugAll(ctx, sw, "br-int", len(mine), func(i int) string { return fmt.Sprint("tap", mine[i]) },
			func(i int) []string { return []string{"external_ids:iface-id=" + uuid(aPort, mine[i])} })
		if err != nil {
			return err
		}
	}
	return nil
}

// changes is the number of flow changes on all chassis, and when the last was.
func (k *rack) changes() (n int, last time.Time) {
	for _, w := range k.watches {
		c, t := w.count()
		n += c
		if t.After(last) {
			last = t
		}
	}
	return n, last
}

// errNotQuiet says that flows went on changing.
var errNotQuiet = errors.New("flows go on changing")

// quiet waits until no flow has changed on any chassis for a time, and returns when the last did.
func (k *rack) quiet(ctx context.Context, still time.Duration) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	began := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		for c, w := range k.watches {
			select {
			case <-w.done:
				return time.Time{}, fmt.Errorf("watch of %s: %w", chassisName(c), w.err)
			default:
			}
		}
		_, last := k.changes()
		if time.Since(last) >= still && time.Since(began) >= still {
			return last, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last, fmt.Errorf("%w: %w", errNotQuiet, ctx.Err())
		}
	}
}

// look has every chassis count flows that mention a port.
func (k *rack) look(n int) {
	hw, v4, v6 := mac(n), k.shape.address4(n).As4(), k.shape.address6(n).As16()
	for _, w := range k.watches {
		w.look(hw[:], v4[:], v6[:])
	}
}

// await waits until every chassis has as many flows that mention the port as it shall, and returns when
// its own chassis and when the last had them.
func (k *rack) await(ctx context.Context, n, local, remote int) (own, all time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for c, w := range k.watches {
		want := remote
		if c == k.home(n) {
			want = local
		}
		for w.found() < want {
			select {
			case <-tick.C:
			case <-w.done:
				return own, all, fmt.Errorf("watch of %s: %w", chassisName(c), w.err)
			case <-ctx.Done():
				return own, all, fmt.Errorf("port %d on %s: %d of %d flows: %w", n, chassisName(c), w.found(), want, ctx.Err())
			}
		}
		t := w.hit(want)
		if c == k.home(n) {
			own = t
		}
		if t.After(all) {
			all = t
		}
	}
	return own, all, nil
}

// hits is what each chassis has found.
func (k *rack) hits() []int {
	var list []int
	for _, w := range k.watches {
		list = append(list, w.found())
	}
	return list
}

// flows is the number of flows of a chassis.
func (k *rack) flows(ctx context.Context, c int) (int, error) {
	text, err := k.switches[c].Ofctl(ctx, "-O", "OpenFlow14", "dump-aggregate", "unix:"+k.switches[c].Mgmt("br-int"))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(text, "flow_count=")
	return strconv.Atoi(strings.TrimSpace(after))
}
