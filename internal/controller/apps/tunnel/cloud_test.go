package tunnel_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/tunnel"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

func apps() []*app.App {
	return []*app.App{misses.New(), classifier.New(), portsecurity.New(), tunnel.New(), l2.New(), apptest.Open()}
}

// cloud is several chassis, each with a real switch, joined by an underlay of which the test is the wire.
type cloud struct {
	t     *testing.T
	hosts []*host
}

// host is one chassis of a cloud.
type host struct {
	*apptest.World
	*apptest.Switch
	name  string
	ip    netip.Addr
	mac   string
	ports []*model.Port
}

// underlay is the port of a host's physical bridge that leads to the wire.
const underlay = "phy"

// newCloud makes chassis c1, c2, … whose underlay addresses are base and those after it.
func newCloud(t *testing.T, n int, base string) *cloud {
	t.Helper()
	c := &cloud{t: t}
	at := netip.MustParseAddr(base)
	for i := range n {
		h := &host{World: apptest.New(t, apps()...), name: fmt.Sprint("c", i+1), ip: at, mac: fmt.Sprintf("aa:55:aa:55:00:%02d", i+1)}
		view.Set(h.DB, view.Self, view.Chassis{Name: h.name})
		h.Sync(model.ScopeChassis(h.name))
		h.Switch = h.World.SwitchWith([]ovs.Option{ovs.Tunnels()})
		c.hosts = append(c.hosts, h)
		at = at.Next()
	}
	for _, h := range c.hosts {
		h.cable(c.hosts)
		for _, typ := range []model.NetworkType{model.Geneve, model.VXLAN} {
			h.addTunnel(t, typ)
		}
	}
	c.each(func(h *host) {
		for _, other := range c.hosts {
			h.Set(apptest.Peer(other.name, other.ip.String()))
		}
	})
	return c
}

// cable gives a host its address and its neighbours on the underlay.
func (h *host) cable(all []*host) {
	h.AddBridge("br-phy", "set-fail-mode", "br-phy", "standalone", "--", "set", "bridge", "br-phy", "other-config:hwaddr="+h.mac)
	h.AddPort("br-phy", underlay)
	family, bits := "ip4addr", "/24"
	if h.ip.Is6() {
		family, bits = "ip6addr", "/64"
	}
	h.Appctl("netdev-dummy/"+family, "br-phy", h.ip.String()+bits)
	h.Appctl("ovs/route/add", netip.PrefixFrom(h.ip, map[bool]int{true: 64, false: 24}[h.ip.Is6()]).Masked().String(), "br-phy")
	for _, other := range all {
		if other != h {
			h.Appctl("tnl/neigh/set", "br-phy", other.ip.String(), other.mac)
		}
	}
}

func (h *host) addTunnel(t *testing.T, typ model.NetworkType) {
	t.Helper()
	name := string(typ) + "-br-int"
	// The controller says local_ip, too, which needs the addresses of a real host.
	h.Vsctl("add-port", apptest.Bridge, name, "--", "set", "interface", name, "type="+string(typ), "options:remote_ip=flow", "options:key=flow")
	number, err := strconv.ParseUint(strings.TrimSpace(h.Vsctl("get", "interface", name, "ofport")), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	h.Set(view.TunnelPort{Type: typ, OFPort: uint32(number)})
}

func (c *cloud) each(f func(*host)) {
	for _, h := range c.hosts {
		f(h)
	}
}

// set tells all chassis about objects.
func (c *cloud) set(rows ...any) { c.each(func(h *host) { h.Set(rows...) }) }

// boot plugs a port into its chassis and tells all others about it.
func (c *cloud) boot(ports ...*model.Port) {
	for _, p := range ports {
		c.set(p)
		h := c.at(p.Host)
		b := apptest.Bind(p)
		b.Host = h.name
		h.Set(b)
		h.Plug(p)
		h.ports = append(h.ports, p)
	}
}

func (c *cloud) at(name string) *host {
	return c.hosts[slices.IndexFunc(c.hosts, func(h *host) bool { return h.name == name })]
}

func (c *cloud) install() {
	c.t.Helper()
	c.each(func(h *host) {
		h.MustStep()
		h.Install()
	})
}

// mostHops bounds how often the wire carries copies of one frame: more is a loop.
const mostHops = 3

// send gives a frame to a port's guest and carries what comes out of the chassis from one to the other.
// It returns the ids of the ports that received it, one for each copy, in order.
func (c *cloud) send(from *model.Port, frame []byte) string {
	c.t.Helper()
	c.each(func(h *host) {
		h.Forget(underlay)
		for _, p := range h.ports {
			h.Forget(apptest.Plug(p, 0).Name)
		}
	})
	c.at(from.Host).Inject(apptest.Plug(from, 0).Name, frame)
	for hop := 0; c.carry(); hop++ {
		if hop > mostHops {
			c.t.Fatal("the frame goes round and round")
		}
	}
	var got []string
	c.each(func(h *host) {
		for _, p := range h.ports {
			for range h.Sent(apptest.Plug(p, 0).Name) {
				got = append(got, p.ID)
			}
		}
	})
	slices.Sort(got)
	return strings.Join(got, " ")
}

// carry brings what the chassis sent into the underlay to whom it is addressed, and reports whether there
// was anything.
func (c *cloud) carry() bool {
	carried := false
	for _, h := range c.hosts {
		h.Settle()
		frames := h.Sent(underlay)
		h.Forget(underlay)
		for _, f := range frames {
			to := model.MAC(f[:6]).String()
			for _, other := range c.hosts {
				if other.mac == to {
					other.Inject(underlay, f)
					carried = true
				}
			}
		}
	}
	return carried
}

// frame is one of an unknown protocol, which port security of these ports lets pass.
func frame(from *model.Port, to model.MAC) []byte {
	f := append(append(to[:], from.MACAddress[:]...), 0x88, 0xb5)
	return append(f, make([]byte, 46)...)
}

func broadcast() model.MAC { return model.MAC{255, 255, 255, 255, 255, 255} }
