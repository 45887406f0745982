package lab_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// Three hypervisors, each with its own switch, are joined by nothing but their tunnels: guests reach each other through
// Geneve and through VXLAN, with packets as large as the underlay has room for, and still after a chassis moved.
func TestChassisOfAFabric(t *testing.T) {
	t.Parallel()
	if _, err := private.Find(); err != nil {
		ovs.Missing(t, err.Error())
	}
	if os.Geteuid() != 0 {
		ovs.Missing(t, "network namespaces need root")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*ovs.Deadline)
	defer cancel()
	f, err := lab.NewFabric()
	must(t, err)
	t.Cleanup(func() { must(t, f.Close()) })
	began := time.Now()
	all := []*lab.Chassis{chassis(ctx, t, f, 1), chassis(ctx, t, f, 2), chassis(ctx, t, f, 3)}
	t.Logf("%d chassis in %v", len(all), time.Since(began).Round(time.Millisecond))
	must(t, all[0].Reaches(ctx, all[2].Tunnel()))
	guests := meshed(ctx, t, all, "geneve")
	for _, to := range []string{"10.0.0.2", "10.0.0.3", "2001:db8::3"} {
		must(t, guests[0].Reaches(ctx, netip.MustParseAddr(to)))
	}
	stats, err := guests[0].Ping(ctx, netip.MustParseAddr("10.0.0.3"), 3, "-s", "1472", "-M", "do")
	if err != nil || stats.Lost() > 0 {
		t.Errorf("packets of 1500 bytes: %v, %v", stats, err)
	}
	echo, err := guests[2].ServeEcho(ctx, "[::]:80")
	must(t, err)
	t.Cleanup(func() { must(t, echo.Close()) })
	conn, err := guests[1].Connect(ctx, netip.MustParseAddrPort("10.0.0.3:80"))
	must(t, err)
	must(t, conn.Close())

	must(t, all[2].SetTunnel(netip.MustParsePrefix("172.16.0.33/24")))
	must(t, all[2].Reaches(ctx, all[0].Tunnel()))
	mesh(ctx, t, all, "vxlan")
	must(t, guests[0].Reaches(ctx, netip.MustParseAddr("10.0.0.3")))
}

func chassis(ctx context.Context, t *testing.T, f *lab.Fabric, n int) *lab.Chassis {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "df-lab")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	c, err := lab.NewChassis(ctx, f, lab.ChassisSpec{
		Name: fmt.Sprint("c", n), Dir: dir,
		Tunnel:     netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, 0, byte(n)}), 24),
		Management: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 24),
	})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

// meshed gives each chassis an integration bridge with a guest.
func meshed(ctx context.Context, t *testing.T, all []*lab.Chassis, kind string) (guests []*lab.Guest) {
	t.Helper()
	for i, c := range all {
		must(t, c.OVS.AddBridge(ctx, "br-int", "set-fail-mode", "br-int", "standalone"))
		g, err := c.Boot(ctx, "br-int", fmt.Sprint("port", i), lab.Spec{
			Name: fmt.Sprint("vm", i), Port: "tap0", MAC: net.HardwareAddr{2, 0, 0, 0, 1, byte(i)}, NoDAD: true,
		})
		must(t, err)
		t.Cleanup(func() { must(t, g.Close()) })
		must(t, g.AddAddress(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)))
		must(t, g.AddAddress(netip.MustParsePrefix(fmt.Sprintf("2001:db8::%d/64", i+1))))
		guests = append(guests, g)
	}
	mesh(ctx, t, all, kind)
	return guests
}

// mesh has all tunnels begin at the first chassis: NORMAL switching knows no split horizon.
func mesh(ctx context.Context, t *testing.T, all []*lab.Chassis, kind string) {
	t.Helper()
	for i, c := range all {
		for j, peer := range all {
			if i == j || i != 0 && j != 0 {
				continue
			}
			name := fmt.Sprint("tun", j)
			_, err := c.OVS.Vsctl(ctx, "--if-exists", "del-port", name, "--", "add-port", "br-int", name, "--", "set", "interface", name,
				"type="+kind, "options:remote_ip="+peer.Tunnel().String(), "options:key=7")
			must(t, err)
		}
	}
}
