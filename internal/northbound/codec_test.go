package northbound

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

var netipEqual = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func samplePort() *model.Port {
	return &model.Port{
		Meta: model.Meta{ID: "p1", Revision: 3, ProjectID: "demo"}, NetworkID: "n1", Name: "web",
		MACAddress: model.MAC{0xfa, 0x16, 0x3e, 0, 0, 1}, AdminStateUp: true, PortSecurityEnabled: true,
		FixedIPs:       []model.FixedIP{{SubnetID: "s1", IPAddress: netip.MustParseAddr("10.0.0.5")}},
		SecurityGroups: []string{"g1"},
		AllowedAddressPairs: []model.AddressPair{{IPAddress: netip.MustParsePrefix("10.0.0.0/28"),
			MACAddress: model.MAC{0xfa, 0x16, 0x3e, 0, 0, 2}}},
		ExtraDHCPOpts: []model.DHCPOption{{Name: "tftp-server", Value: "10.0.0.9", IPVersion: 4}},
	}
}

func TestCodecRoundTrip(t *testing.T) {
	lo := 80
	for _, o := range []model.Object{
		samplePort(),
		&model.Network{Meta: model.Meta{ID: "n1"}, MTU: 1450},
		&model.Subnet{Meta: model.Meta{ID: "s1"}, NetworkID: "n1", CIDR: netip.MustParsePrefix("10.0.0.0/24")},
		&model.SecurityGroupRule{Meta: model.Meta{ID: "r1"}, SecurityGroupID: "g1", PortRangeMin: &lo},
		&model.Chassis{Meta: model.Meta{ID: "c1"}},
	} {
		b, err := Encode(o)
		if err != nil {
			t.Fatal(err)
		}
		if o.Metadata().Schema != 0 {
			t.Errorf("Encode changed %s", KeyOf(o))
		}
		got, err := Decode(KeyOf(o), b)
		if err != nil {
			t.Fatal(err)
		}
		if got.Metadata().Schema != model.SchemaVersion {
			t.Errorf("%s: schema %d is stored", KeyOf(o), got.Metadata().Schema)
		}
		got.Metadata().Schema = 0
		if d := cmp.Diff(o, got, netipEqual); d != "" {
			t.Errorf("%s changed on the way (-before +after):\n%s\n%s", KeyOf(o), d, b)
		}
	}
}

func TestCodecKeepsUnknownFields(t *testing.T) {
	key := db.Key{Scope: "network/n1", Kind: "Network", ID: "n1"}
	const stored = `{"id":"n1","revision":1,"schema":1,"admin_state_up":true,"mtu":1450,"qos":{"kbps":[1,2]},"future":null}`
	o, err := Decode(key, []byte(stored))
	if err != nil {
		t.Fatal(err)
	}
	n := *o.(*model.Network)
	n.MTU = 1500
	b, err := Encode(&n)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"mtu":1500`, `"qos":{"kbps":[1,2]}`, `"future":null`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is missing in %s", want, b)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	port := db.Key{Scope: "network/n1/ports", Kind: "Port", ID: "p1"}
	for name, c := range map[string]struct {
		key   db.Key
		value string
		want  string // in the error
	}{
		"empty":         {port, ``, "EOF"},
		"not JSON":      {port, `{"id":`, "EOF"},
		"wrong type":    {port, `{"id":"p1","network_id":"n1","name":7}`, "name: a JSON number"},
		"nested type":   {port, `{"id":"p1","network_id":"n1","fixed_ips":[{"subnet_id":[]}]}`, "fixed_ips/0/subnet_id"},
		"address":       {port, `{"id":"p1","network_id":"n1","fixed_ips":[{"ip_address":"10.0.0.256"}]}`, "fixed_ips/0/ip_address"},
		"MAC":           {port, `{"id":"p1","network_id":"n1","mac_address":"zz"}`, `"zz" is not an Ethernet address`},
		"twice":         {port, `{"id":"p1","network_id":"n1","id":"p2"}`, "duplicate"},
		"null object":   {port, `null`, "value says that it is"},
		"array":         {port, `[]`, "JSON array"},
		"huge revision": {port, `{"id":"p1","revision":1e99}`, "revision"},
		"not UTF-8":     {port, "{\"id\":\"p1\",\"name\":\"\xff\"}", "UTF-8"},
		"other id":      {port, `{"id":"p2","network_id":"n1"}`, "network/n1/ports/Port/p2"},
		"other scope":   {port, `{"id":"p1","network_id":"n2"}`, "network/n2/ports/Port/p1"},
		"unknown kind":  {db.Key{Scope: "s", Kind: "Flux", ID: "x"}, `{}`, "unknown kind"},
		"newer schema":  {port, `{"id":"p1","network_id":"n1","schema":2}`, "newer version"},
		"deep":          {port, `{"id":"p1","x":` + strings.Repeat("[", 20000) + `}`, "depth"},
	} {
		_, err := Decode(c.key, []byte(c.value))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.key.String()) {
			t.Errorf("%s: error %v, want %q and the key in it", name, err, c.want)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	if _, err := Encode(&model.Network{Meta: model.Meta{ID: "n", Schema: model.SchemaVersion + 1}}); !errors.Is(err, ErrNewerSchema) {
		t.Errorf("a newer schema: %v", err)
	}
	if _, err := Encode(&model.Network{Meta: model.Meta{ID: "n"}, Name: "\xff"}); err == nil {
		t.Error("invalid UTF-8 was encoded")
	}
}

func FuzzDecode(f *testing.F) {
	b, _ := Encode(samplePort())
	f.Add("Port", "network/n1/ports", "p1", b)
	f.Add("Network", "network/n1", "n1", []byte(`{"id":"n1","mtu":1450,"x":{"y":[1]}}`))
	f.Add("Epoch", "global", "epoch", []byte(`{"id":"epoch","number":4}`))
	f.Fuzz(func(t *testing.T, kind, scope, id string, value []byte) {
		o, err := Decode(db.Key{Scope: db.Scope(scope), Kind: kind, ID: id}, value)
		if err != nil {
			return
		}
		_ = o.Validate()
		again, err := Encode(o)
		if err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		o2, err := Decode(KeyOf(o), again)
		if err != nil {
			t.Fatalf("what was encoded cannot be decoded: %v\n%s", err, again)
		}
		third, _ := Encode(o2)
		if string(third) != string(again) {
			t.Fatalf("not stable:\n%s\n%s", again, third)
		}
	})
}

func BenchmarkDecodePort(b *testing.B) {
	p := samplePort()
	v, _ := Encode(p)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(KeyOf(p), v); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDecodedObjectsShareTheIdsThatTheyReferTo(t *testing.T) {
	var networks []string
	for _, id := range []string{"a", "b"} {
		p := &model.Port{Meta: model.Meta{ID: id}, NetworkID: "11111111-2222-4333-8444-555555555555", Host: "chassis"}
		b, err := Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Decode(KeyOf(p), b)
		if err != nil {
			t.Fatal(err)
		}
		networks = append(networks, o.(*model.Port).NetworkID)
	}
	if networks[0] != networks[1] || unsafe.StringData(networks[0]) != unsafe.StringData(networks[1]) {
		t.Errorf("two ports have a copy each of their network's id %q", networks[0])
	}
}
