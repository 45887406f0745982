package config

import (
	"testing"
	"time"
)

func TestGuestsProblems(t *testing.T) {
	good := Guests{DHCPLeaseTime: time.Hour, DNSServers: []string{"192.0.2.1", "2001:db8::1"}, DNSDomain: "cloud.example."}
	if found := good.problems(); len(found) != 0 || good.LeaseSeconds() != 3600 {
		t.Errorf("%v, %d s", found, good.LeaseSeconds())
	}
	bad := Guests{DHCPLeaseTime: time.Second, DNSServers: []string{"192.0.2.1", "dns.example"}, DNSDomain: "a b"}
	if found := bad.problems(); len(found) != 3 {
		t.Errorf("problems %v, want one of each setting", found)
	}
	defaults := defaultGuests()
	if found := defaults.problems(); len(found) != 0 {
		t.Errorf("the defaults have problems: %v", found)
	}
}
