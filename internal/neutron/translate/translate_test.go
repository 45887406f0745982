package translate_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/translate"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each file in testdata holds one resource as a client sends it, in "NAME.TYPE.json"; the golden beside it the logical
// objects that it stands for.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			got := render(t, load(t, file))
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// load makes a row of a request's body. What the server fills in is given as "server".
func load(t *testing.T, file string) resource.Row {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		Body   map[string]any
		Server json.RawMessage
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&in); err != nil {
		t.Fatal(err)
	}
	name := strings.Split(filepath.Base(file), ".")[1]
	rules := resource.SecurityGroupRules()
	for _, typ := range []*resource.Type{resource.Networks(), resource.Subnets(), resource.Ports(), rules,
		resource.SecurityGroups(rules), resource.Routers(), resource.FloatingIPs(), resource.PortForwardings()} {
		if typ.Singular != name {
			continue
		}
		row, _, err := typ.Create(in.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(in.Server, row); err != nil {
			t.Fatal(err)
		}
		return row
	}
	t.Fatalf("no type %q", name)
	return nil
}

func render(t *testing.T, row resource.Row) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, o := range translate.Objects(row) {
		if err := o.Validate(); err != nil {
			t.Error(err)
		}
		value, err := northbound.Encode(o)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("# " + northbound.KeyOf(o).String() + "\n")
		if err := json.Indent(&out, value, "", "  "); err != nil {
			t.Fatal(err)
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func TestSame(t *testing.T) {
	port := &model.Port{Meta: model.Meta{ID: "p", Revision: 1}}
	member := &model.SecurityGroupMember{Meta: model.Meta{ID: "p", Revision: 1}, SecurityGroupID: "g"}
	newer := func(m model.Meta) model.Meta { m.Revision++; return m }
	if translate.Same(port, &model.Port{Meta: newer(port.Meta)}) {
		t.Error("a port of another revision is another port")
	}
	if !translate.Same(member, &model.SecurityGroupMember{Meta: newer(member.Meta), SecurityGroupID: "g"}) {
		t.Error("a membership whose port has another name is the same")
	}
	router := &model.Router{Meta: model.Meta{ID: "r", Revision: 1}, AdminStateUp: true}
	if !translate.Same(router, &model.Router{Meta: newer(router.Meta), AdminStateUp: true}) {
		t.Error("a router that has an interface more is the same")
	}
	if translate.Same(router, &model.Router{Meta: router.Meta}) || translate.Same(router, &model.Router{Meta: router.Meta, Name: "x", AdminStateUp: true}) ||
		translate.Same(router, &model.Router{Meta: router.Meta, AdminStateUp: true, Routes: []model.Route{{}}}) {
		t.Error("a router that forwards otherwise is another one")
	}
	stored := *port
	stored.Schema = model.SchemaVersion
	if !translate.SameStored(port, &stored) || translate.SameStored(member, port) {
		t.Error("only how it is stored does not count")
	}
}
