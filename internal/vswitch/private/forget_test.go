package private

import "testing"

func TestWhichVersionsKeepStaleFlows(t *testing.T) {
	for version, want := range map[string]bool{
		"ovs-vswitchd (Open vSwitch) 3.1.0":                     true,
		"ovs-vswitchd (Open vSwitch) 3.1.2\nDPDK 22.11":         true,
		"ovs-vswitchd (Open vSwitch) 3.1.3":                     false,
		"ovs-vswitchd (Open vSwitch) 3.0.4":                     true,
		"ovs-vswitchd (Open vSwitch) 3.0.5":                     false,
		"ovs-vswitchd (Open vSwitch) 2.17.7":                    true,
		"ovs-vswitchd (Open vSwitch) 2.17.8":                    false,
		"ovs-vswitchd (Open vSwitch) 2.15.0":                    true,
		"ovs-vswitchd (Open vSwitch) 3.2.0":                     false,
		"ovs-vswitchd (Open vSwitch) 4.0.0":                     false,
		"ovs-vswitchd (Open vSwitch) \tof a version of its own": false,
		"": false,
	} {
		if got := keepsStale(version); got != want {
			t.Errorf("%q: %t, want %t", version, got, want)
		}
	}
}
