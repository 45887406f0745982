package resource_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

func types() map[string]*resource.Type {
	rules := resource.SecurityGroupRules()
	out := map[string]*resource.Type{}
	for _, t := range []*resource.Type{resource.Networks(), resource.Subnets(), resource.Ports(), rules,
		resource.SecurityGroups(rules)} {
		out[t.Singular] = t
	}
	return out
}

func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var body map[string]any
	if err := d.Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body
}

func TestBool(t *testing.T) {
	for _, one := range []struct {
		in   any
		want bool
		ok   bool
	}{
		{true, true, true}, {"True", true, true}, {" yes ", true, true}, {json.Number("1"), true, true}, {"ON", true, true},
		{false, false, true}, {"0", false, true}, {"n", false, true}, {"False", false, true},
		{nil, false, false}, {"", false, false}, {json.Number("2"), false, false}, {json.Number("1.0"), false, false},
		{[]any{true}, false, false},
	} {
		got, err := resource.Bool(one.in)
		if got != one.want || (err == nil) != one.ok {
			t.Errorf("%v: %v, %v", one.in, got, err)
		}
	}
}

func TestNumbersMayBeStrings(t *testing.T) {
	for in, ok := range map[any]bool{
		json.Number("5"): true, "5": true, " 5": true, json.Number("5.5"): false, "": false, "five": false, nil: false,
		true: false, json.Number("99999999999999999999"): false,
	} {
		if _, err := resource.Int(in); (err == nil) != ok {
			t.Errorf("%v: %v", in, err)
		}
	}
}

func TestUUID(t *testing.T) {
	const want = "aabbccdd-0000-4000-8000-00112233ff44"
	for in, ok := range map[any]bool{
		want: true, strings.ToUpper(want): true, strings.ReplaceAll(want, "-", ""): true,
		"{" + want + "}": false, "": false, nil: false, "aabbccdd": false, strings.Repeat("g", 32): false,
	} {
		got, err := resource.UUID(in)
		if (err == nil) != ok || ok && got != want {
			t.Errorf("%v: %q, %v", in, got, err)
		}
	}
}

// What is wrong is named in the order in which Neutron looks: unknown, missing or not to be given, then values.
func TestMessages(t *testing.T) {
	for _, one := range []struct{ typ, body, want string }{
		{"network", `{"zz": 1, "aa": 2, "mtu": "x"}`, "Unrecognized attribute(s) 'aa, zz'"},
		{"network", `{"id": "x"}`, "Attribute 'id' not allowed in POST"},
		{"port", `{"mac_address": "x"}`, "Failed to parse request. Required attribute 'network_id' not specified"},
		{"network", `{"mtu": "x"}`, "Invalid input for mtu. Reason: 'x' is not an integer."},
		{"network", `{"admin_state_up": null}`, "Invalid input for admin_state_up. Reason: 'None' cannot be converted to boolean."},
		{"port", `{"network_id": "x"}`, "Invalid input for network_id. Reason: 'x' is not a valid UUID."},
		{"subnet", `{"network_id": "aabbccdd-0000-4000-8000-00112233ff44", "cidr": "10.0.0.1/24"}`,
			"Invalid input for cidr. Reason: '10.0.0.1/24' isn't a recognized IP subnet cidr, '10.0.0.0/24' is recommended."},
		{"network", `{"tenant_id": "a", "project_id": "b"}`, "'project_id' and 'tenant_id' do not match"},
	} {
		_, _, err := types()[one.typ].Create(decode(t, one.body))
		if err == nil || err.Error() != one.want {
			t.Errorf("%s %s: %v, want %q", one.typ, one.body, err, one.want)
		}
	}
	_, _, err := types()["network"].Update(&resource.Network{}, decode(t, `{"project_id": "x"}`))
	if err == nil || err.Error() != "Cannot update read-only attribute project_id" {
		t.Error(err)
	}
}

// A later option of the same name and family replaces an earlier one, null removes it, others stay.
func TestExtraDHCPOptionsAreMerged(t *testing.T) {
	typ := resource.Ports()
	row, _, err := typ.Create(decode(t, `{"network_id": "aabbccdd-0000-4000-8000-00112233ff44", "extra_dhcp_opts": [
		{"opt_name": "mtu", "opt_value": "1300"}, {"opt_name": "x", "opt_value": "1"}, {"opt_name": "y", "opt_value": "1"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	row, _, err = typ.Update(row, decode(t, `{"extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"},
		{"opt_name": "x", "opt_value": null}, {"opt_name": "mtu", "opt_value": "1280", "ip_version": 6}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(row.(*resource.Port).ExtraDHCPOpts); got != "[{y 1 4} {mtu 1400 4} {mtu 1280 6}]" {
		t.Error(got)
	}
}

// A row keeps what a newer version wrote, and defaults of new resources do not creep into stored ones.
func TestStoredFormKeepsWhatItDoesNotKnow(t *testing.T) {
	typ := resource.Networks()
	row, err := typ.Load([]byte(`{"id": "n", "revision_number": 4, "colour": {"r": 1}, "name": "x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if row.(*resource.Network).AdminStateUp {
		t.Error("a field that is absent is not its default")
	}
	changed := row.Clone()
	changed.Base().Name = "y"
	value, err := resource.Store(changed)
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, string(value))
	if diff := cmp.Diff(map[string]any{"r": json.Number("1")}, got["colour"]); diff != "" || got["name"] != "y" {
		t.Error(diff, got)
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"id": 7}`, `{"id": "n", "mtu": "many"}`} {
		if _, err := typ.Load([]byte(bad)); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// Whatever a client sends, it gets a resource that can be stored, read back and shown, or an error of Neutron's.
func FuzzCreate(f *testing.F) {
	for _, seed := range []string{
		`{"name": "x", "mtu": "1400", "admin_state_up": "yes"}`,
		`{"network_id": "aabbccdd-0000-4000-8000-00112233ff44", "cidr": "10.0.0.0/24", "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.3"}],
		  "host_routes": [{"destination": "::/0", "nexthop": "::1"}], "gateway_ip": null, "dns_nameservers": ["1.1.1.1"]}`,
		`{"network_id": "aabbccdd-0000-4000-8000-00112233ff44", "mac_address": "fa:16:3e:00:00:01", "fixed_ips": [{"ip_address": "::1"}],
		  "allowed_address_pairs": [{"ip_address": "10.0.0.1/8"}], "extra_dhcp_opts": [{"opt_name": "a", "opt_value": "b"}], "binding:profile": {"a": [1]}}`,
		`{"security_group_id": "aabbccdd-0000-4000-8000-00112233ff44", "direction": "ingress", "protocol": "tcp", "port_range_min": 1,
		  "port_range_max": "2", "remote_ip_prefix": "10.0.0.0/8", "ethertype": "ipv4"}`,
		`{"stateful": false, "description": null}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var body map[string]any
		if d.Decode(&body) != nil {
			return
		}
		for _, typ := range types() {
			row, _, err := typ.Create(body)
			var refused *resource.Error
			if err != nil {
				if !errors.As(err, &refused) || refused.Status < 400 || refused.Status > 499 || refused.Message == "" {
					t.Errorf("%s: %v", typ.Singular, err)
				}
				continue
			}
			roundTrip(t, typ, row)
		}
	})
}

func roundTrip(t *testing.T, typ *resource.Type, row resource.Row) {
	t.Helper()
	row.Base().ID = "id"
	if r, ok := row.(*resource.SecurityGroupRule); ok {
		if resource.CheckRule(r) == nil && resource.RuleKey(r) == "" {
			t.Error("a rule without key")
		}
	}
	value, err := resource.Store(row)
	if err != nil {
		t.Fatal(err)
	}
	back, err := typ.Load(value)
	if err != nil {
		t.Fatalf("%v in %s", err, value)
	}
	a, err1 := json.Marshal(typ.Show(row, nil))
	b, err2 := json.Marshal(typ.Show(back, nil))
	if err1 != nil || err2 != nil || string(a) != string(b) {
		t.Errorf("%s was stored and read as %s, %v %v", a, b, err1, err2)
	}
}

// Whatever lies in the database, reading it does not panic.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"id": "x", "fixed_ips": [{"ip_address": "10.0.0.1"}], "mac_address": "00:00:00:00:00:01", "cidr": "10.0.0.0/8"}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		for _, typ := range types() {
			row, err := typ.Load(value)
			if err != nil {
				continue
			}
			if _, err := json.Marshal(typ.Show(row, nil)); err != nil {
				t.Error(err)
			}
		}
	})
}
