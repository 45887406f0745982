package tunnel_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// threeChassis is a network with ports a and b on c1, c on c2 and d, without port security, on c3; port x
// of another network is on c2.
func threeChassis(t *testing.T, typ model.NetworkType, base string) (*apptest.Cloud, map[string]*model.Port) {
	t.Helper()
	c := apptest.NewCloud(t, apps, 3, base)
	other := model.VXLAN
	if typ == model.VXLAN {
		other = model.Geneve
	}
	c.Set(apptest.Overlay("n", typ, 5001), apptest.Overlay("m", other, 5001)) // their ranges overlap
	ports := map[string]*model.Port{}
	for i, p := range []struct{ id, network, host string }{{"a", "n", "c1"}, {"b", "n", "c1"}, {"c", "n", "c2"}, {"d", "n", "c3"}, {"x", "m", "c2"}, {"y", "m", "c3"}} {
		ports[p.id] = apptest.At(p.host, apptest.Port(p.id, p.network, byte(i+1)))
		ports[p.id].PortSecurityEnabled = p.id != "d"
		c.Boot(ports[p.id])
	}
	c.Install()
	return c, ports
}

func TestFramesReachWhomTheyAreFor(t *testing.T) {
	for name, how := range map[string]struct {
		typ  model.NetworkType
		base string
	}{
		"geneve over IPv4": {model.Geneve, "172.16.0.1"},
		"geneve over IPv6": {model.Geneve, "fd00::1"},
		"vxlan over IPv4":  {model.VXLAN, "172.16.0.1"},
		"vxlan over IPv6":  {model.VXLAN, "fd00::1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, p := threeChassis(t, how.typ, how.base)
			for what, s := range map[string]struct {
				from string
				to   model.MAC
				want string
			}{
				"unicast to another chassis":     {"a", p["c"].MACAddress, "c"},
				"unicast back":                   {"c", p["a"].MACAddress, "a"},
				"unicast on the same chassis":    {"a", p["b"].MACAddress, "b"},
				"broadcast":                      {"a", broadcast(), "b c d"},
				"broadcast from another":         {"c", broadcast(), "a b d"},
				"multicast":                      {"d", model.MAC{1, 0, 0x5e, 0, 0, 1}, "a b c"},
				"unknown unicast":                {"a", model.MAC{2, 0, 0, 0, 0, 9}, "d"},
				"to a port of another network":   {"a", p["x"].MACAddress, "d"},
				"broadcast in the other network": {"x", broadcast(), "y"},
			} {
				if got := c.Send(p[s.from], frame(p[s.from], s.to)); got != s.want {
					t.Errorf("%s reaches %q, want %q", what, got, s.want)
				}
			}
		})
	}
}

// TestReadme keeps the dump in the README real.
func TestReadme(t *testing.T) {
	t.Parallel()
	c, p := threeChassis(t, model.Geneve, "172.16.0.1")
	c.Send(p["a"], frame(p["a"], p["c"].MACAddress))
	c.Send(p["a"], frame(p["a"], broadcast()))
	apptest.Readme(t, "dump", c.At("c1").Dump(func(owner string) bool {
		return strings.HasPrefix(owner, "tunnel.") || strings.HasPrefix(owner, "classifier.tunnel") ||
			strings.Contains(owner, "MACAddress/1") || strings.HasPrefix(owner, "l2.network")
	}))
}

// frame is one of an unknown protocol, which port security of these ports lets pass.
func frame(from *model.Port, to model.MAC) []byte {
	f := append(append(to[:], from.MACAddress[:]...), 0x88, 0xb5)
	return append(f, make([]byte, 46)...)
}

func broadcast() model.MAC { return model.MAC{255, 255, 255, 255, 255, 255} }
