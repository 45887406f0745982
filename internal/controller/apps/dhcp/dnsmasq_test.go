package dhcp

import (
	"bytes"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"golang.org/x/sys/unix"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/packet"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

// Neutron's users write option values for dnsmasq, so dnsmasq itself says what they mean: these tests give
// it the same options and compare the bytes.

// dnsmasqV4 and dnsmasqV6 are options with values, each code once.
func dnsmasqV4() []model.DHCPOption {
	return options(4, map[string]string{
		"router": "10.0.0.9", "time-offset": "-3600", "log-server": "10.0.0.1,10.0.0.2", "boot-file-size": "100", "domain-name": "x.example",
		"root-path": "/srv", "ip-forward-enable": "1", "default-ttl": "64", "mtu": "1400", "arp-timeout": "60", "policy-filter": "10.0.0.0,255.0.0.0",
		"nis-domain": "yellow", "ntp-server": "192.0.2.1,192.0.2.2", "netbios-nodetype": "8", "tcp-keepalive": "7200", "tftp-server": "tftp.example",
		"bootfile-name": "pxelinux.0", "classless-static-route": "10.1.0.0/16,10.0.0.9,0.0.0.0/0,10.0.0.1", "domain-search": "one.example,two.test",
		"tftp-server-address": "192.0.2.8", "posix-timezone": "EST5EDT4", "ipv6-only": "1800", "client-arch": "7", "vendor-class": "PXEClient",
		"213": "10.0.0.1", "214": "10", "215": "1000", "216": "100000", "217": "10i", "218": "10s", "219": "01:02:ff", "220": "text",
		"224": "10.0.0.1,10.0.0.2", "249": "10.1.0.0/16,10.0.0.9", "252": "http://wpad.example/wpad.dat",
	})
}

func dnsmasqV6() []model.DHCPOption {
	return options(6, map[string]string{
		"sip-server-domain": "sip.example", "sip-server": "[2001:db8::5]", "dns-server": "[2001:db8::53],[2001:db8::54]", "domain-search": "one.example,two.test",
		"nis-server": "[2001:db8::6]", "nis-domain": "yellow.example", "sntp-server": "[2001:db8::7b]", "ntp-server": "[2001:db8::7b]",
		"posix-timezone": "EST5EDT4", "tzdb-timezone": "Europe/Berlin", "bootfile-url": "tftp://[2001:db8::7]/x", "bootfile-param": "quiet",
		"1000": "text", "1001": "01:02:ff", "1002": "10", "1003": "[2001:db8::1]",
	})
}

func options(version int, values map[string]string) []model.DHCPOption {
	var out []model.DHCPOption
	for name, value := range values {
		out = append(out, model.DHCPOption{Name: name, Value: value, IPVersion: version})
	}
	return out
}

// serveDnsmasq runs dnsmasq at the other end of the cable, with the options for everybody.
func serveDnsmasq(t *testing.T, w *wire, opts []model.DHCPOption, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("dnsmasq"); err != nil {
		ovs.Missing(t, err.Error())
	}
	dir := t.TempDir()
	argv := append([]string{"dnsmasq", "--keep-in-foreground", "--port=0", "--conf-file=/dev/null", "--no-ping", "--user=root",
		"--interface=" + hostInterface, "--dhcp-authoritative", "--log-dhcp", "--log-facility=-", "--dhcp-leasefile=" + dir + "/leases", "--pid-file=" + dir + "/pid"}, args...)
	for _, o := range opts {
		name := o.Name
		if _, err := strconv.Atoi(name); err != nil || o.IPVersion == 6 {
			name = map[int]string{4: "option:", 6: "option6:"}[o.IPVersion] + name
		}
		argv = append(argv, "--dhcp-option-force="+name+","+o.Value)
	}
	p, err := w.host.Start(nil, argv...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("dnsmasq wrote:\n%s", p.Output())
		}
	})
	until(t, "DHCP server", p.Output, func(s string) bool { return strings.Contains(s, "DHCP") && strings.Contains(s, "started") })
}

// exchangeFrame sends a frame from the guest until something that read accepts comes.
func exchangeFrame(t *testing.T, w *wire, frame []byte, read func([]byte) bool) {
	t.Helper()
	fd := w.tap(w.guest, lab.Interface)
	buf := make([]byte, 9000)
	until(t, "answer", func() string {
		if _, err := unix.Write(fd, frame); err != nil {
			return err.Error()
		}
		for {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				return err.Error()
			}
			if read(buf[:n]) {
				return ""
			}
		}
	}, func(s string) bool { return s == "" })
}

func TestValuesMeanWhatDnsmasqSaysV4(t *testing.T) {
	t.Parallel()
	ours, errs := ParseOptions(4, dnsmasqV4())
	if errs != nil {
		t.Fatal(errs)
	}
	w := newCable(t)
	w.command(w.host, "ip", "address", "add", "10.0.0.1/24", "dev", hostInterface)
	serveDnsmasq(t, w, dnsmasqV4(), "--dhcp-range=10.0.0.5,10.0.0.5,255.255.255.0")
	discover := ask{kind: dhcpv4.MessageTypeDiscover, change: func(m *dhcpv4.DHCPv4) { m.Options[57] = []byte{5, 0xdc} }}.frame()
	var offer *dhcpv4.DHCPv4
	exchangeFrame(t, w, discover, func(frame []byte) bool {
		d, err := readUDP(frame, packet.EtherTypeIPv4, clientPort4)
		if err != nil {
			return false
		}
		offer, err = dhcpv4.FromBytes(d.payload)
		return err == nil
	})
	for _, o := range ours.list {
		theirs := offer.Options[uint8(o.code)]
		if o.code == 66 || o.code == 67 { // with the final zero of the header's fields, which RFC 2132 does not have
			theirs = bytes.TrimSuffix(theirs, []byte{0})
		}
		if !bytes.Equal(theirs, o.data) {
			t.Errorf("option %d: dnsmasq sends %x %q, we %x", o.code, theirs, theirs, o.data)
		}
	}
}

func TestValuesMeanWhatDnsmasqSaysV6(t *testing.T) {
	t.Parallel()
	ours, errs := ParseOptions(6, dnsmasqV6())
	if errs != nil {
		t.Fatal(errs)
	}
	w := newCable(t)
	w.command(w.host, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.all.accept_dad=0",
		"net.ipv6.conf."+hostInterface+".accept_dad=0", "net.ipv6.conf."+hostInterface+".disable_ipv6=0")
	w.command(w.host, "ip", "link", "set", hostInterface, "down")
	w.command(w.host, "ip", "link", "set", hostInterface, "up")
	w.command(w.host, "ip", "address", "add", "2001:db8::1/64", "dev", hostInterface, "nodad")
	serveDnsmasq(t, w, dnsmasqV6(), "--dhcp-range=2001:db8::5,2001:db8::5,64", "--enable-ra")
	var codes []dhcpv6.OptionCode
	for _, o := range ours.list {
		codes = append(codes, dhcpv6.OptionCode(o.code))
	}
	var reply *dhcpv6.Message
	request := frame6(dhcpv6.MessageTypeInformationRequest, clientID(), dhcpv6.OptRequestedOption(codes...))
	exchangeFrame(t, w, request, func(frame []byte) bool {
		d, err := readUDP(frame, packet.EtherTypeIPv6, clientPort6)
		if err != nil {
			return false
		}
		reply, err = dhcpv6.MessageFromBytes(d.payload)
		return err == nil
	})
	for _, o := range ours.list {
		theirs := reply.GetOneOption(dhcpv6.OptionCode(o.code))
		if theirs == nil || !bytes.Equal(theirs.ToBytes(), o.data) {
			t.Errorf("option %d: dnsmasq sends %v, we %x", o.code, theirs, o.data)
		}
	}
}
