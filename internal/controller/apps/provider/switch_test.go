package provider_test

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// wired is a switch with the world of rows, whose physical network is a port of its own.
type wired struct {
	*apptest.Switch
	w     *apptest.World
	ports []*model.Port
}

const wirePort = "wire"

func newWired(t *testing.T) wired {
	t.Helper()
	return newWiredOf(t, rows())
}

func newWiredOf(t *testing.T, list []any) wired {
	t.Helper()
	w := apptest.New(t, apps()...)
	s := wired{Switch: w.Switch(), w: w}
	n, err := strconv.ParseUint(s.AddPort(apptest.Bridge, wirePort), 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		switch r := r.(type) {
		case view.ProviderPort:
			w.Set(view.ProviderPort{PhysicalNetwork: r.PhysicalNetwork, OFPort: uint32(n), Kbps: r.Kbps})
		case view.Interface:
		case *model.Port:
			w.Set(r)
			if r.Host == apptest.Host {
				s.Plug(r)
				s.ports = append(s.ports, r)
			}
		default:
			w.Set(r)
		}
	}
	w.MustStep()
	s.Install()
	return s
}

// got lists who received what, in order: a port, or the wire with the tag and the source.
func (s wired) got(frame []byte) string {
	s.Settle()
	var list []string
	for _, f := range s.Sent(wirePort) {
		tag := "untagged"
		if f[12] == 0x81 {
			tag = "vlan " + strconv.Itoa(int(f[14]&0xf)<<8|int(f[15]))
		}
		list = append(list, "wire "+tag+" from "+model.MAC(f[6:12]).String())
	}
	for _, p := range s.ports {
		for _, f := range s.Sent(apptest.Plug(p, 0).Name) {
			to := p.ID
			if !bytes.Equal(f[12:], frame[len(frame)-len(f)+12:]) {
				to += " changed"
			}
			if src := model.MAC(f[6:12]); src != model.MAC(frame[6:12]) {
				to += " from " + src.String()
			}
			list = append(list, to)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (s wired) send(from string, frame []byte) string {
	for _, p := range s.ports {
		s.Forget(apptest.Plug(p, 0).Name)
	}
	s.Forget(wirePort)
	if from != wirePort {
		from = "tap-" + from
	}
	s.Inject(from, frame)
	return s.got(frame)
}

// frame is one of an unknown protocol; a tag of -1 is none.
func frame(from, to model.MAC, tag int) []byte {
	f := append(to[:], from[:]...)
	if tag >= 0 {
		f = append(f, 0x81, 0, byte(tag>>8), byte(tag))
	}
	return append(append(f, 0x88, 0xb5), make([]byte, 60)...)
}

var (
	broadcast = model.MAC{255, 255, 255, 255, 255, 255}
	outside   = model.MAC{0x52, 0x54, 0, 0, 0, 1}
	guest     = func(n byte) model.MAC { return model.MAC{0xfa, 0x16, 0x3e, 0, 0, n} }
	routerMAC = model.MAC{0xfa, 0x16, 0x3e, 1, 0, 1}
)

func TestFramesOnTheWire(t *testing.T) {
	t.Parallel()
	s := newWired(t)
	own, others := view.WireMAC("c1", routerMAC), view.WireMAC("c2", routerMAC)
	for _, c := range []struct {
		what, from string
		frame      []byte
		want       string
	}{
		{"broadcast of a guest", "a", frame(guest(1), broadcast, -1), "b, wire vlan 7 from fa:16:3e:00:00:01"},
		{"unicast to a guest here", "a", frame(guest(1), guest(2), -1), "b"},
		{"unicast to a guest elsewhere", "a", frame(guest(1), guest(3), -1), "wire vlan 7 from fa:16:3e:00:00:01"},
		{"unknown unicast", "a", frame(guest(1), outside, -1), "b, wire vlan 7 from fa:16:3e:00:00:01"},
		{"a flat network", "d", frame(guest(4), outside, -1), "wire untagged from fa:16:3e:00:00:04"},
		{"to a guest of another VLAN", "d", frame(guest(4), guest(1), -1), "wire untagged from fa:16:3e:00:00:04"},
		{"what a router sends", "b", frame(routerMAC, outside, -1), "wire vlan 7 from " + own.String()},

		{"broadcast from outside", wirePort, frame(outside, broadcast, 7), "a, b"},
		{"unicast from outside", wirePort, frame(outside, guest(1), 7), "a"},
		{"unknown unicast from outside", wirePort, frame(outside, guest(8), 7), "b"},
		{"to a guest elsewhere", wirePort, frame(outside, guest(3), 7), ""},
		{"untagged", wirePort, frame(outside, guest(4), -1), "d"},
		{"a tag without a VLAN", wirePort, frame(outside, guest(4), 0), "d"},
		{"the other's VLAN", wirePort, frame(outside, guest(4), 7), "b"},
		{"an unknown VLAN", wirePort, frame(outside, guest(1), 8), ""},
		{"a local port's address", wirePort, frame(guest(2), broadcast, 7), ""},
		{"a local port's address in another VLAN", wirePort, frame(guest(2), broadcast, -1), "d"},
		{"of another chassis' router", wirePort, frame(others, guest(1), 7), "a from " + routerMAC.String()},
		{"of its own router", wirePort, frame(own, guest(1), 7), ""},
		{"to a router's own address", wirePort, frame(outside, routerMAC, 7), ""},
	} {
		if c.from == "b" { // which has no port security, and is b's own copy
			c.want = strings.TrimPrefix(c.want, "b, ")
		}
		if got := s.send(c.from, c.frame); got != c.want {
			t.Errorf("%s reaches %q, want %q", c.what, got, c.want)
		}
	}
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	s := newWired(t)
	s.send("a", frame(guest(1), guest(3), -1))
	s.send("a", frame(guest(1), broadcast, -1))
	s.send(wirePort, frame(outside, guest(1), 7))
	s.send(wirePort, frame(outside, guest(1), 8))
	apptest.Readme(t, "dump", s.Dump(func(owner string) bool {
		return strings.HasPrefix(owner, "provider.") || strings.HasPrefix(owner, "classifier.provider") || strings.HasPrefix(owner, "l2.wire")
	}))
}
