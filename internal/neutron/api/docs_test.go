package api_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

var update = flag.Bool("update", false, "write the generated parts of the documentation anew")

// The documentation's tables of attributes are those that the API reads.
func TestDocsAttributes(t *testing.T) {
	t.Parallel()
	const path, begin, end = "../../../docs/operate/api.md", "<!-- generated: attributes -->\n", "<!-- end -->"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(raw), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("no place for the tables")
	}
	want := head + begin + attributeTables() + end + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Errorf("%s is out of date, run make golden:\n%s", path, diff)
	}
}

func attributeTables() string {
	var b strings.Builder
	rules, qos := resource.SecurityGroupRules(), resource.QoSRules()
	for _, typ := range []*resource.Type{resource.Networks(), resource.Subnets(), resource.Ports(),
		resource.PortBindings(), resource.SecurityGroups(rules), rules, resource.Routers(), resource.FloatingIPs(), resource.PortForwardings(), resource.SubnetPools(),
		resource.AddressScopes(), resource.QoSPolicies(nil), qos[0], qos[1], qos[2], qos[3], resource.Segments(), resource.Trunks(), resource.Logs(), resource.Agents()} {
		fmt.Fprintf(&b, "\n### /v2.0/%s\n\n| attribute | set | list |\n|---|---|---|\n", typ.Path)
		for _, a := range typ.Attrs {
			set := map[resource.Access]string{resource.ReadOnly: "shown", resource.OnPost: "POST", resource.OnPut: "PUT",
				resource.Writable: "POST, PUT"}[a.Access]
			if a.Required {
				set += ", required"
			}
			list := "filter, sort"
			if a.NoFilter {
				list = ""
			} else if a.NoSort {
				list = "filter"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", a.Name, set, list)
		}
	}
	b.WriteByte('\n')
	return b.String()
}
