package lab

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
)

func TestParsePing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]PingStats{
		"3 packets transmitted, 3 received, 0% packet loss, time 402ms\nrtt min/avg/max/mdev = 0.100/0.200/1.500/0.025 ms\n": {
			Sent: 3, Received: 3, Min: 100 * time.Microsecond, Avg: 200 * time.Microsecond, Max: 1500 * time.Microsecond},
		"2 packets transmitted, 0 received, +2 errors, 100% packet loss, time 1ms\n\n": {Sent: 2},
		"1 packets transmitted, 1 received, +1 duplicates, 0% packet loss, time 0ms\nrtt min/avg/max/mdev = 1/1/1/0 ms, pipe 2\n": {
			Sent: 1, Received: 1, Duplicates: 1, Min: time.Millisecond, Avg: time.Millisecond, Max: time.Millisecond},
	} {
		if got, err := parsePing(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ping: unknown host", "99999999999999999999 packets transmitted, 1 received"} {
		if got, err := parsePing(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestParseLeaseNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"reason=BOUND\x00new_ip_address=10.0.0.1\x00":                                     "address",
		"reason=BOUND\x00new_ip_address=10.0.0.1\x00new_subnet_mask=33\x00":               "address",
		"reason=BOUND\x00new_routers=x\x00":                                               "address",
		"reason=BOUND\x00new_interface_mtu=big\x00":                                       "new_interface_mtu",
		"reason=BOUND\x00new_dhcp_server_identifier=ten\x00":                              "server",
		"reason=BOUND\x00new_dhcp_lease_time=1 hour\x00":                                  "new_dhcp_lease_time",
		"reason=BOUND\x00new_domain_name_servers=10.0.0.1 10.0.0.300\x00new_routers=\x00": "address",
	} {
		if l, err := parseLease([]byte(text), Dhclient4); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v", text, l, err)
		}
	}
}

func FuzzParseLease(f *testing.F) {
	f.Add([]byte("reason=bound\x00ip=10.0.0.1\x00mask=24\x00router=10.0.0.254\x00lease=60\x00"))
	f.Add([]byte("reason=BOUND6\x00new_ip6_address=fd00::1\x00new_ip6_prefixlen=128\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, c := range []Client{Dhclient4, Dhclient6, Udhcpc} {
			if l, err := parseLease(b, c); err != nil && l.Vars != nil {
				t.Fatalf("a lease and an error: %+v, %v", l, err)
			}
		}
	})
}

func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	var out tail
	for _, part := range []string{strings.Repeat("a", maxOutput-1), "bcd", strings.Repeat("e", maxOutput+5) + "f"} {
		if n, err := out.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
		if got := out.String(); len(got) > maxOutput || got[len(got)-1] != part[len(part)-1] {
			t.Errorf("%d bytes kept, the last is %q", len(got), got[len(got)-1])
		}
	}
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		ovs.Missing(t, "network namespaces need root")
	}
	n, err := NewNamespace("n")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := n.Run(t.Context(), "sh", "-c", "echo out; echo err >&2; exit 3"); err == nil || out != "out\nerr\n" || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := n.Run(t.Context(), "ip", "-br", "link"); err != nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, "lo ") {
		t.Errorf("a new namespace has %q, %v", out, err)
	}
	if _, err := n.Start(nil, "/nonexistent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that does not exist: %v", err)
	}
	if err := n.Sysctl("net.ipv4.no_such_key", "1"); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "no_such_key") {
		t.Errorf("a key that does not exist: %v", err)
	}
	p, err := n.Start(nil, "sh", "-c", "sleep 1000 & wait")
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	default:
		t.Error("a process outlives its namespace")
	}
	if _, err := n.Start(nil, "true"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("start in a closed namespace: %v", err)
	}
}
