package apptest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// Cloud is several chassis, each with a real switch, joined by an underlay of which the test is the wire.
type Cloud struct {
	t     *testing.T
	apps  func() []*app.App
	hosts []*Hypervisor
}

// Hypervisor is one chassis of a Cloud.
type Hypervisor struct {
	*World
	*Switch
	Name  string
	ip    netip.Addr
	mac   string
	ports []*model.Port
}

// underlay is the port of a host's physical bridge that leads to the wire.
const underlay = "phy"

// NewCloud makes chassis c1, c2, … whose underlay addresses are base and those after it.
func NewCloud(t *testing.T, apps func() []*app.App, n int, base string) *Cloud {
	t.Helper()
	c := &Cloud{t: t, apps: apps}
	at := netip.MustParseAddr(base)
	for i := range n {
		h := &Hypervisor{World: New(t, apps()...), Name: fmt.Sprint("c", i+1), ip: at, mac: fmt.Sprintf("aa:55:aa:55:00:%02d", i+1)}
		view.Set(h.DB, view.Self, view.Chassis{Name: h.Name})
		h.Sync(model.ScopeChassis(h.Name))
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
	c.each(func(h *Hypervisor) {
		for _, other := range c.hosts {
			h.Set(Peer(other.Name, other.ip.String()))
		}
	})
	return c
}

// cable gives a host its address and its neighbours on the underlay.
func (h *Hypervisor) cable(all []*Hypervisor) {
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

func (h *Hypervisor) addTunnel(t *testing.T, typ model.NetworkType) {
	t.Helper()
	name := string(typ) + "-br-int"
	// The controller says local_ip, too, which needs the addresses of a real host.
	h.Vsctl("add-port", Bridge, name, "--", "set", "interface", name, "type="+string(typ), "options:remote_ip=flow", "options:key=flow")
	number, err := strconv.ParseUint(strings.TrimSpace(h.Vsctl("get", "interface", name, "ofport")), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	h.Set(view.TunnelPort{Type: typ, OFPort: uint32(number)})
}

func (c *Cloud) each(f func(*Hypervisor)) {
	for _, h := range c.hosts {
		f(h)
	}
}

// Set tells all chassis about objects.
func (c *Cloud) Set(rows ...any) { c.each(func(h *Hypervisor) { h.Set(rows...) }) }

// Boot plugs a port into its chassis and tells all others about it.
func (c *Cloud) Boot(ports ...*model.Port) {
	for _, p := range ports {
		c.Set(p)
		h := c.At(p.Host)
		b := Bind(p)
		b.Host = h.Name
		h.Set(b)
		h.Plug(p)
		h.ports = append(h.ports, p)
	}
}

// Join plugs a port into this chassis, which alone knows of it.
func (h *Hypervisor) Join(p *model.Port) {
	h.Plug(p)
	h.ports = append(h.ports, p)
}

// Prepare plugs a port into a further chassis, to which it has an inactive binding.
func (c *Cloud) Prepare(p *model.Port, chassis string) {
	h := c.At(chassis)
	b := Bind(p)
	b.Host, b.Status = chassis, model.BindingInactive
	h.Set(b)
	h.Plug(p)
	h.ports = append(h.ports, p)
}

// At returns the chassis of that name.
func (c *Cloud) At(name string) *Hypervisor {
	return c.hosts[slices.IndexFunc(c.hosts, func(h *Hypervisor) bool { return h.Name == name })]
}

// Install evaluates what changed everywhere and gives it to the switches.
func (c *Cloud) Install() {
	c.t.Helper()
	c.each(func(h *Hypervisor) {
		h.MustStep()
		h.Install()
	})
}

// mostHops bounds how often the wire carries copies of one frame: more is a loop.
const mostHops = 3

// Send gives a frame to a port's guest and carries what comes out of the chassis from one to the other.
// It returns the ids of the ports that received it, one for each copy, in order; those of ports that are
// plugged into several chassis tell which.
func (c *Cloud) Send(from *model.Port, frame []byte) string {
	c.t.Helper()
	return c.SendAt(from.Host, from, frame)
}

// SendAt is Send from the chassis of that name.
func (c *Cloud) SendAt(chassis string, from *model.Port, frame []byte) string {
	c.t.Helper()
	c.each(func(h *Hypervisor) {
		h.Forget(underlay)
		for _, p := range h.ports {
			h.Forget(Plug(p, 0).Name)
		}
	})
	c.At(chassis).Inject(Plug(from, 0).Name, frame)
	for hop := 0; c.carry(); hop++ {
		if hop > mostHops {
			c.t.Fatal("the frame goes round and round")
		}
	}
	places := map[string]int{}
	c.each(func(h *Hypervisor) {
		for _, p := range h.ports {
			places[p.ID]++
		}
	})
	var got []string
	c.each(func(h *Hypervisor) {
		for _, p := range h.ports {
			name := p.ID
			if places[p.ID] > 1 {
				name += "@" + h.Name
			}
			for range h.Sent(Plug(p, 0).Name) {
				got = append(got, name)
			}
		}
	})
	if len(got) == 0 {
		c.explained(chassis, from, frame)
	}
	slices.Sort(got)
	return strings.Join(got, " ")
}

// carry brings what the chassis sent into the underlay to whom it is addressed, and reports whether there
// was anything.
func (c *Cloud) carry() bool {
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
