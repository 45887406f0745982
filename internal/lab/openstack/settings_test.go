package openstack

import (
	"os"
	"strings"
	"testing"
)

// TestGeneveIsConfiguredAsDocumented: the size of Geneve's header decides the networks' MTU, and OVN's is larger.
func TestGeneveIsConfiguredAsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/operate/neutron.md")
	if err != nil {
		t.Fatal(err)
	}
	const setting = "max_header_size = "
	_, after, found := strings.Cut(string(text), setting)
	documented, _, _ := strings.Cut(after, "\n")
	if config := (&Stack{}).neutronConfig(); !found || !strings.Contains(config, setting+documented+"\n") {
		t.Errorf("docs/operate/neutron.md says %s%q, the stack is configured with\n%s", setting, documented, config)
	}
	if config := (&Stack{Spec: Spec{OVN: "/run/ovn"}}).neutronConfig(); !strings.Contains(config, setting+"38\n") {
		t.Errorf("beside OVN, whose driver demands 38, the stack is configured with\n%s", config)
	}
}
