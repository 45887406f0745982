package adopt_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/adopt"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// host is a switch, and folders in place of /proc and /run/netns.
type host struct {
	*ovs.Switch
	t           *testing.T
	proc, netns string
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{Switch: ovs.Start(t), t: t, proc: t.TempDir(), netns: t.TempDir()}
	return h
}

func (h *host) process(pid string, words ...string) {
	h.t.Helper()
	dir := filepath.Join(h.proc, pid)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cmdline"), []byte(strings.Join(words, "\x00")+"\x00"), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) namespace(name string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.netns, name), nil, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// plain makes a bridge that nobody programs.
func (h *host) plain(name string) {
	h.AddBridge(name, "set", "bridge", name, "fail_mode=standalone")
}

func (h *host) plan() adopt.Plan {
	h.t.Helper()
	seen, err := adopt.Observe(h.t.Context(), adopt.Where{OVSDB: "unix:" + h.OVSDB(), Bridge: "br-int", Proc: h.proc, Netns: h.netns})
	if err != nil {
		h.t.Fatal(err)
	}
	return adopt.Make(seen)
}

// run runs the plan's commands that are of Open vSwitch, as somebody would with sh.
func (h *host) run(p adopt.Plan) {
	h.t.Helper()
	for _, s := range p.Steps {
		for _, command := range s.Commands {
			switch words := strings.Fields(command); words[0] {
			case "ovs-vsctl":
				h.Vsctl(words[1:]...)
			case "ovs-ofctl":
				for i, word := range words {
					if b := h.Mgmt(word); strings.HasPrefix(word, "br-") {
						words[i] = "unix:" + b
					}
				}
				h.Ofctl(words[1:]...)
			}
		}
	}
}

// ofOVS makes what an OVS agent with L3 and DHCP agents leaves on a host with a guest.
func (h *host) ofOVS() {
	h.AddBridge("br-int")
	h.AddBridge("br-tun")
	h.AddBridge("br-ex")
	h.plain("br-of-others")
	h.Vsctl("add-port", "br-tun", "vxlan-c0000202", "--", "set", "interface", "vxlan-c0000202", "type=vxlan",
		"options:local_ip=192.0.2.1", "options:remote_ip=192.0.2.2", "options:key=flow")
	for _, pair := range [][4]string{{"br-int", "patch-tun", "br-tun", "patch-int"}, {"br-int", "int-br-ex", "br-ex", "phy-br-ex"}} {
		h.Vsctl("add-port", pair[0], pair[1], "--", "set", "interface", pair[1], "type=patch", "options:peer="+pair[3],
			"--", "add-port", pair[2], pair[3], "--", "set", "interface", pair[3], "type=patch", "options:peer="+pair[1])
	}
	h.AddPort("br-int", "tap-guest", "iface-id=g")
	h.Vsctl("add-port", "br-int", "qr-1", "--", "set", "interface", "qr-1", "type=internal", "external_ids:iface-id=r")
	h.Vsctl("set-controller", "br-int", "tcp:127.0.0.1:6633")
	h.Ofctl("add-flow", "unix:"+h.Mgmt("br-int"), "cookie=0x4,table=0,priority=10,actions=drop")
	h.namespace("qrouter-1")
	h.namespace("mine")
	h.process("1", "/sbin/init")
	h.process("20", "/usr/bin/python3", "/usr/bin/neutron-openvswitch-agent", "--config-file=/etc/neutron/neutron.conf")
	h.process("21", "/usr/bin/python3", "/usr/bin/neutron-openvswitch-agent", "--config-file=/etc/neutron/neutron.conf")
	h.process("22", "vi", "notes", "/usr/bin/neutron-l3-agent")
}

func commands(p adopt.Plan) []string {
	var all []string
	for _, s := range p.Steps {
		all = append(all, s.Commands...)
	}
	return all
}

func TestAHostOfAgents(t *testing.T) {
	h := newHost(t)
	h.ofOVS()
	p := h.plan()
	if p.Backend != "ML2/OVS" {
		t.Errorf("backend %q", p.Backend)
	}
	settings := []adopt.Setting{{Key: "bridge", Value: "br-int"}, {Key: "datapath-type", Value: "netdev"}, {Key: "tunnel-ip", Value: "192.0.2.1"}}
	if d := cmp.Diff(settings, p.Settings); d != "" {
		t.Error(d)
	}
	want := []string{
		"systemctl disable --now neutron-openvswitch-agent",
		"ip netns delete qrouter-1",
		"ovs-vsctl del-port br-int qr-1",
		"ovs-vsctl del-br br-tun",
		"ovs-vsctl del-port br-int patch-tun",
		"ovs-vsctl del-port br-int int-br-ex",
		"ovs-vsctl del-port br-ex phy-br-ex",
		"ovs-vsctl del-controller br-ex",
		"ovs-vsctl set-fail-mode br-ex standalone",
		"ovs-ofctl del-flows br-ex",
		"ovs-ofctl add-flow br-ex actions=normal",
		"ovs-vsctl del-controller br-int",
		"ovs-ofctl -O OpenFlow14 del-flows br-int",
		"ovs-ofctl -O OpenFlow14 del-groups br-int",
		"ovs-ofctl -O OpenFlow14 del-meters br-int",
	}
	if d := cmp.Diff(want, commands(p)); d != "" {
		t.Error(d)
	}
}

// What the plan says, done, leaves nothing to do, and the guest where it was.
func TestAPlanIsEnough(t *testing.T) {
	for name, prepare := range map[string]func(*host){"agents": (*host).ofOVS, "OVN": (*host).ofOVN} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			prepare(h)
			h.run(h.plan())
			h.proc, h.netns = t.TempDir(), t.TempDir()
			if left := h.plan().Steps; len(left) > 0 {
				t.Errorf("still to do: %+v", left)
			}
			if ports := h.Vsctl("list-ports", "br-int"); strings.TrimSpace(ports) != "tap-guest" {
				t.Errorf("ports of br-int: %q, want only the guest's", ports)
			}
		})
	}
}

func (h *host) ofOVN() {
	h.AddBridge("br-int")
	h.plain("br-ex")
	h.Vsctl("set", "Open_vSwitch", ".", "external_ids:ovn-remote=tcp:192.0.2.9:6642", "external_ids:hostname=compute-1",
		"external_ids:ovn-encap-ip=192.0.2.1", "external_ids:ovn-encap-type=geneve,stt", "external_ids:ovn-bridge-mappings=physnet1:br-ex",
		"external_ids:ovn-cms-options=availability-zones=a,enable-chassis-as-gw")
	h.Vsctl("add-port", "br-int", "ovn-abc-0", "--", "set", "interface", "ovn-abc-0", "type=geneve", "options:remote_ip=192.0.2.2", "options:key=flow",
		"--", "set", "port", "ovn-abc-0", "external_ids:ovn-chassis-id=abc@192.0.2.2")
	h.Vsctl("add-port", "br-int", "patch-br-int-to-p1", "--", "set", "interface", "patch-br-int-to-p1", "type=patch", "options:peer=patch-p1-to-br-int",
		"--", "add-port", "br-ex", "patch-p1-to-br-int", "--", "set", "interface", "patch-p1-to-br-int", "type=patch", "options:peer=patch-br-int-to-p1")
	h.AddPort("br-int", "tap-guest", "iface-id=g")
	h.AddPort("br-int", "tap5f3c9a12-00", "iface-id=m")
	h.namespace("ovnmeta-5f3c9a12-0b1c-4d2e-8f3a-9b8c7d6e5f4a")
	h.Ofctl("add-flow", "unix:"+h.Mgmt("br-int"), "cookie=0x4,table=0,priority=100,actions=resubmit(,8)")
	h.process("30", "/usr/bin/ovn-controller", "unix:/run/openvswitch/db.sock")
	h.process("31", "neutron-ovn-metadata-agent (/usr/bin/python3 /usr/bin/neutron-ovn-metadata-agent)")
}

func TestAHostOfOVN(t *testing.T) {
	h := newHost(t)
	h.ofOVN()
	p := h.plan()
	settings := []adopt.Setting{
		{Key: "chassis", Value: "compute-1"}, {Key: "bridge", Value: "br-int"}, {Key: "datapath-type", Value: "netdev"}, {Key: "tunnel-ip", Value: "192.0.2.1"},
		{Key: "tunnel-types", Value: "geneve"}, {Key: "bridge-mappings", Value: "physnet1:br-ex"}, {Key: "gateway", Value: "true"},
	}
	if d := cmp.Diff(settings, p.Settings); p.Backend != "ML2/OVN" || d != "" {
		t.Error(p.Backend, d)
	}
	want := []string{
		"systemctl disable --now neutron-ovn-metadata-agent",
		"systemctl disable --now ovn-controller",
		"ip netns delete ovnmeta-5f3c9a12-0b1c-4d2e-8f3a-9b8c7d6e5f4a",
		"ovs-vsctl del-port br-int tap5f3c9a12-00",
		"ovs-vsctl del-port br-int ovn-abc-0",
		"ovs-vsctl del-port br-int patch-br-int-to-p1",
		"ovs-vsctl del-port br-ex patch-p1-to-br-int",
		"ovs-ofctl -O OpenFlow14 del-flows br-int",
		"ovs-ofctl -O OpenFlow14 del-groups br-int",
		"ovs-ofctl -O OpenFlow14 del-meters br-int",
	}
	if d := cmp.Diff(want, commands(p)); d != "" {
		t.Error(d)
	}
}

func TestGuestsBehindALinuxBridgeAreNamed(t *testing.T) {
	h := newHost(t)
	h.AddBridge("br-int")
	h.AddPort("br-int", "qvo12345678-90", "iface-id=g")
	steps := h.plan().Steps
	isNamed := func(s adopt.Step) bool { return strings.Contains(s.What, "qvo12345678-90") && len(s.Commands) == 0 }
	if !slices.ContainsFunc(steps, isNamed) {
		t.Errorf("steps: %+v", steps)
	}
}

func TestAHostWithoutABridgeNeedsNothing(t *testing.T) {
	if p := newHost(t).plan(); p.Backend != "" || len(p.Steps) > 0 {
		t.Errorf("plan: %+v", p)
	}
}

// Whoever names a bridge or a namespace does not thereby write commands.
func TestNamesAreWordsOfTheShell(t *testing.T) {
	h := newHost(t)
	h.namespace("qrouter-1;touch $HOME '`id`'")
	h.namespace("qdhcp-ok")
	var script strings.Builder
	if err := h.plan().Write(&script); err != nil {
		t.Fatal(err)
	}
	shell := exec.CommandContext(t.Context(), "sh", "-c", "ip() { printf '%s\\n' \"$3\"; }\n"+script.String())
	out, err := shell.CombinedOutput()
	if want := "qdhcp-ok\nqrouter-1;touch $HOME '`id`'\n"; err != nil || string(out) != want {
		t.Errorf("the shell says %q, %v, want %q", out, err, want)
	}
}

func TestASwitchThatDoesNotRunIsSaid(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := adopt.Observe(ctx, adopt.Where{OVSDB: "unix:" + t.TempDir() + "/none", Bridge: "br-int", Proc: t.TempDir()})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v, want one that says that the socket is not there", err)
	}
}
