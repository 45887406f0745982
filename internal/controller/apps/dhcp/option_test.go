package dhcp

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
)

func TestParseOptions(t *testing.T) {
	tests := []struct {
		version     int
		name, value string
		code        uint16
		want        string // hexadecimal; "!" and part of the error
	}{
		{4, "router", "10.0.0.1", 3, "0a000001"},
		{4, "option:dns-server", "10.0.0.1, 10.0.0.2", 6, "0a0000010a000002"},
		{4, "6", "10.0.0.1", 6, "0a000001"},
		{4, "mtu", "1400", 26, "0578"},
		{4, "26", "1400", 26, "0578"},
		{4, "mtu", "70000", 26, "!16 bits"},
		{4, "mtu", "big", 26, "!16 bits"},
		{4, "time-offset", "-3600", 2, "fffff1f0"},
		{4, "default-ttl", "64", 23, "40"},
		{4, "T1", "600", 58, "00000258"},
		{4, "t1", "600", 58, "00000258"},
		{4, "bootfile-name", "pxelinux.0", 67, hex.EncodeToString([]byte("pxelinux.0"))},
		{4, "domain-name", `"a b"`, 15, hex.EncodeToString([]byte("a b"))},
		{4, "domain-search", "a.example,b.", 119, "0161076578616d706c65000162" + "00"},
		{4, "domain-search", "a..b", 119, "!not a domain name"},
		{4, "classless-static-route", "10.1.0.0/16,10.0.0.9,0.0.0.0/0,10.0.0.1", 121, "100a010a0000" + "09" + "000a000001"},
		{4, "classless-static-route", "10.1.0.0/16", 121, "!pairs"},
		{4, "classless-static-route", "", 121, ""},
		{4, "router", "", 3, ""},
		{4, "mtu", "", 26, "!no value"},
		{4, "domain-name", `""`, 15, "!no value"},
		{4, "router", "2001:db8::1", 3, "!IPv4"},
		{4, "netmask", "255.255.255.0,255.0.0.0", 1, "!one address"},
		{4, "224", "10.0.0.1", 224, "0a000001"},
		{4, "224", "10", 224, "0a"},
		{4, "224", "1000", 224, "03e8"},
		{4, "224", "10i", 224, "0000000a"},
		{4, "224", "10s", 224, "000a"},
		{4, "224", "01:2:ff", 224, "0102ff"},
		{4, "224", "text", 224, hex.EncodeToString([]byte("text"))},
		{4, "224", `""`, 224, "!no value"},
		{4, "53", "1", 53, "!belongs to the protocol"},
		{4, "server-identifier", "10.0.0.1", 54, "!belongs to the protocol"},
		{4, "0", "1", 0, "!1..254"},
		{4, "255", "10.0.0.1", 255, "!1..254"},
		{4, "no-such-thing", "1", 0, "!no such option"},
		{4, "tag:other,67", "x", 0, "!tag"},
		{6, "dns-server", "[2001:db8::1],2001:db8::2", 23, "20010db8000000000000000000000001" + "20010db8000000000000000000000002"},
		{6, "dns-server", "10.0.0.1", 23, "!IPv6"},
		{6, "option6:domain-search", "example.org", 24, "076578616d706c65036f726700"},
		{6, "ntp-server", "2001:db8::7b", 56, "0001001020010db800000000000000000000007b"},
		{6, "ntp-server", "ntp.example", 56, "0003000d036e7470076578616d706c6500"},
		{6, "59", "tftp://[fe80::1]/x", 59, hex.EncodeToString([]byte("tftp://[fe80::1]/x"))},
		{6, "bootfile-param", "quiet", 60, "0005" + hex.EncodeToString([]byte("quiet"))},
		{6, "server-id", "1", 2, "!belongs to the protocol"},
		{6, "mtu", "1400", 0, "!no such option"},
	}
	for _, tt := range tests {
		opts, errs := ParseOptions(tt.version, []model.DHCPOption{
			{Name: tt.name, Value: tt.value, IPVersion: tt.version},
			{Name: "no-such-name", Value: "1", IPVersion: 10 - tt.version}, // of the other version: not looked at
		})
		if want, bad := strings.CutPrefix(tt.want, "!"); bad {
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), want) || !strings.Contains(errs[0].Error(), strconv.Quote(tt.name)) || len(opts.list) != 0 {
				t.Errorf("%s=%s: %v, errors %v; want %q", tt.name, tt.value, opts, errs, want)
			}
			continue
		}
		want, err := hex.DecodeString(tt.want)
		if err != nil {
			t.Fatal(err)
		}
		if len(errs) != 0 || len(opts.list) != 1 || opts.list[0].code != tt.code || !bytes.Equal(opts.list[0].data, want) {
			t.Errorf("%s=%s: %v, errors %v; want %d %x", tt.name, tt.value, opts, errs, tt.code, want)
		}
	}
}

// TestOptionNamesAreDnsmasqs compares our tables with dnsmasq's own, since Neutron's users write its names.
func TestOptionNamesAreDnsmasqs(t *testing.T) {
	path, err := exec.LookPath("dnsmasq")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	for topic, table := range map[string][]definition{"dhcp": definitions4, "dhcp6": definitions6} {
		out, err := exec.Command(path, "--help", topic).Output()
		if err != nil {
			t.Fatal(err)
		}
		known := map[string]string{}
		for _, d := range table {
			known[d.name] = strconv.Itoa(int(d.code))
		}
		lines := regexp.MustCompile(`(?m)^ *(\d+) (\S+)$`).FindAllStringSubmatch(string(out), -1)
		if len(lines) < 10 {
			t.Fatalf("dnsmasq --help %s: %s", topic, out)
		}
		for _, l := range lines {
			if known[l[2]] != l[1] {
				t.Errorf("%s: dnsmasq has %s as %s, we as %q", topic, l[2], l[1], known[l[2]])
			}
		}
	}
}
