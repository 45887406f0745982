package engine_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/engine"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/number"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// testApp passes for the one app that may use every stage.
func testApp(rules ...app.Rule) *app.App { return &app.App{Name: "misses", ID: 9, Rules: rules} }

func classify(out *app.Output, port uint64, do flow.Instructions) {
	out.Flow(pipeline.Classify, pipeline.Normal, flow.NewMatch(flow.InPort.Is(port)), do, "for the test")
}

func group(id string) *model.SecurityGroup {
	return &model.SecurityGroup{Meta: model.Meta{ID: id, Revision: 1}}
}

// perPort gives each port a flow once it knows the port's network, at the OpenFlow port in its MAC.
func perPort(r *view.Reader, p *model.Port, out *app.Output) {
	n, found := view.Get(r, view.Networks, p.NetworkID)
	if found != view.Present {
		return
	}
	classify(out, uint64(p.MACAddress[5]), flow.Do(flow.Load(pipeline.Network, uint64(n.MTU))).Goto(pipeline.EgressPortSecurity.Table()))
}

func TestAnUnknownScopeKeepsTheOldOutput(t *testing.T) {
	w := apptest.New(t, testApp(app.For("test.port", view.Ports, perPort)))
	p := apptest.Port("p", "n", 1)
	w.Set(apptest.Net("n"), p)
	w.MustStep()
	before := w.Engine.Digest()
	moved := *p
	moved.Revision, moved.DNSName = 2, "other"
	w.DB.SetSynced(model.ScopeNetwork("n"), false)
	w.Remove(apptest.Net("n"))
	w.Set(&moved)
	if d := w.Step(); !d.Empty() || w.Engine.Digest() != before {
		t.Fatalf("an evaluation that read an unknown scope changed %d flows", len(d.Flows))
	}
	problems := w.Engine.Problems()
	if len(problems) != 1 || len(problems[0].Waiting) != 1 || problems[0].Waiting[0] != "network/n" {
		t.Fatalf("problems = %v, want one owner waiting for network/n", problems)
	}
	w.Sync(model.ScopeNetwork("n"))
	if d := w.Step(); len(d.Flows) != 1 || d.Flows[0].New != nil {
		t.Fatalf("in sync and absent must remove the flow, got %v", d.Flows)
	}
}

func TestAFailingOwnerHarmsNobodyElse(t *testing.T) {
	fail := false
	rule := app.For("test.port", view.Ports, func(r *view.Reader, p *model.Port, out *app.Output) {
		if fail && p.ID == "bad" {
			panic("cannot")
		}
		perPort(r, p, out)
	})
	w := apptest.New(t, testApp(rule))
	bad, good := apptest.Port("bad", "n", 1), apptest.Port("good", "n", 2)
	w.Set(apptest.Net("n"), bad, good)
	w.MustStep()
	fail = true
	net := apptest.Net("n")
	net.MTU = 1400
	w.Set(net)
	if d := w.Engine.Step(); len(d.Flows) != 1 {
		t.Fatalf("%d flows changed, want that of the good port", len(d.Flows))
	}
	if n := w.Engine.FlowCount(); n != 2 {
		t.Fatalf("%d flows, want the old one of the bad port to stay", n)
	}
	ps := w.Engine.Problems()
	if len(ps) != 1 || !strings.Contains(ps[0].Text, "cannot") || !strings.Contains(ps[0].Owner.Key, "bad") {
		t.Fatalf("problems = %v", ps)
	}
}

func TestContestedFlowsGoToTheSmallestOwnerWhateverTheOrder(t *testing.T) {
	rule := app.For("test.group", view.SecurityGroups, func(_ *view.Reader, g *model.SecurityGroup, out *app.Output) {
		classify(out, 7, flow.Do(flow.Load(pipeline.SourcePort, uint64(g.ID[0]))))
	})
	rows := []any{group("b"), group("a"), group("c")}
	apptest.Histories(t, func() []*app.App { return []*app.App{testApp(rule)} }, rows, []any{group("0")})

	w := apptest.New(t, testApp(rule))
	w.Set(rows...)
	w.Step()
	for f := range w.Engine.Flows() {
		x, _ := w.Engine.Explain(f.Key())
		if x.Owners[0].Key != "a" || len(x.Losers) != 2 {
			t.Errorf("owners %v, losers %v", x.Owners, x.Losers)
		}
	}
	if n := len(w.Engine.Problems()); n != 2 {
		t.Errorf("%d problems, want one for each loser", n)
	}
	w.Remove(group("a"))
	if d := w.Step(); len(d.Flows) != 1 || d.Flows[0].Old == nil || d.Flows[0].New == nil {
		t.Errorf("the next owner must take over in place, got %v", d.Flows)
	}
}

type colour struct{ name string }

func TestReadersOfDerivedRowsRunOnlyWhenTheSetChanges(t *testing.T) {
	colours := view.NewDerived("Colour", func(c colour) string { return c.name })
	runs := 0
	w := apptest.New(t, testApp(
		app.For("test.derive", view.Ports, func(_ *view.Reader, p *model.Port, out *app.Output) {
			app.Emit(out, colours, colour{p.NetworkID})
		}),
		app.For("test.read", view.Self, func(r *view.Reader, _ view.Chassis, _ *app.Output) {
			view.All(r, colours)
			runs++
		})))
	w.Set(apptest.Port("p0", "n", 1))
	w.Engine.Step()
	before := runs
	for i := range byte(10) {
		w.Set(apptest.Port(fmt.Sprint("q", i), "n", i))
	}
	w.Engine.Step()
	if runs != before {
		t.Errorf("the reader ran %d times though the set stayed the same", runs-before)
	}
	w.Set(apptest.Port("r", "m", 99))
	w.Engine.Step()
	if runs != before+1 {
		t.Errorf("the reader ran %d times for one new colour", runs-before)
	}
}

func TestARuleForAnIndexHasOneOwnerForEachKey(t *testing.T) {
	colours := view.NewDerived("Colour", func(c colour) string { return c.name })
	byLetter := view.NewIndex(colours, "Letter", func(c colour) []string { return []string{c.name[:1]} }, nil)
	w := apptest.New(t, testApp(
		app.For("test.derive", view.Ports, func(_ *view.Reader, p *model.Port, out *app.Output) {
			app.Emit(out, colours, colour{p.Name})
		}),
		app.ForEach("test.letter", byLetter, func(_ *view.Reader, key string, having []colour, out *app.Output) {
			classify(out, uint64(key[0]), flow.Do(flow.Load(pipeline.Network, uint64(len(having)))).Goto(pipeline.EgressPortSecurity.Table()))
		})))
	named := func(id, name string) *model.Port {
		p := apptest.Port(id, "n", 1)
		p.Name = name
		return p
	}
	for _, s := range []struct {
		set  *model.Port
		want int // flows that change
	}{
		{named("p", "red"), 1},
		{named("q", "rose"), 1},   // its letter has an owner, which has two colours now
		{named("r", "rose"), 0},   // the set stays the same
		{named("p", "green"), 2},  // one letter loses a colour, another one comes
		{named("p", "grey"), 0},   // as many colours as before
		{named("p", "rose"), 1},   // the last one of its letter goes
		{named("q", "yellow"), 1}, // still a rose by r and p
	} {
		w.Set(s.set)
		if d := w.Step(); len(d.Flows) != s.want {
			t.Errorf("after %s is %s %d flows change, want %d", s.set.ID, s.set.Name, len(d.Flows), s.want)
		}
		if err := w.Engine.Recompute(); err != nil {
			t.Error(err)
		}
	}
	if text := w.Engine.Text(func(engine.Owner) bool { return true }); !strings.Contains(text, "test.letter Letter/y: ") {
		t.Errorf("no owner is called after its letter:\n%s", text)
	}
}

func TestARuleForPrefixesHasOneOwnerForEachPrefix(t *testing.T) {
	type block struct{ name, prefix string }
	blocks := view.NewDerived("Block", func(b block) string { return b.name })
	byPrefix := view.NewPrefixIndex(blocks, "Prefix", func(b block) (string, []netip.Prefix) {
		return "all/of", []netip.Prefix{netip.MustParsePrefix(b.prefix)}
	})
	w := apptest.New(t, testApp(
		app.For("test.derive", view.Ports, func(_ *view.Reader, p *model.Port, out *app.Output) {
			app.Emit(out, blocks, block{p.ID, p.Name})
		}),
		app.ForPrefixes("test.prefix", byPrefix, func(r *view.Reader, group string, p netip.Prefix, out *app.Output) {
			n := len(view.Covering(r, byPrefix, group, p))
			classify(out, uint64(p.Bits()), flow.Do(flow.Load(pipeline.Network, uint64(n))).Goto(pipeline.EgressPortSecurity.Table()))
		})))
	named := func(id, prefix string) *model.Port {
		p := apptest.Port(id, "n", 1)
		p.Name = prefix
		return p
	}
	for _, s := range []struct {
		set  *model.Port
		want int
	}{
		{named("p", "10.0.0.0/24"), 1},
		{named("q", "10.0.0.0/24"), 1}, // two rows cover the prefix
		{named("r", "10.0.0.0/8"), 2},  // one more
		{named("p", "10.1.0.0/16"), 2},
		{named("q", "2001:db8::/64"), 2},
	} {
		w.Set(s.set)
		if d := w.Step(); len(d.Flows) != s.want {
			t.Errorf("after %s is %s %d flows change, want %d", s.set.ID, s.set.Name, len(d.Flows), s.want)
		}
		if err := w.Engine.Recompute(); err != nil {
			t.Error(err)
		}
	}
	if text := w.Engine.Text(func(engine.Owner) bool { return true }); !strings.Contains(text, "test.prefix Prefix/all/of/2001:db8::/64: ") {
		t.Errorf("no owner is called after its prefix:\n%s", text)
	}
}

func TestARuleCannotReadWhatALaterOneDerives(t *testing.T) {
	colours := view.NewDerived("Colour", func(c colour) string { return c.name })
	w := apptest.New(t, testApp(
		app.For("test.read", view.Self, func(r *view.Reader, _ view.Chassis, _ *app.Output) { view.All(r, colours) }),
		app.For("test.derive", view.Ports, func(_ *view.Reader, p *model.Port, out *app.Output) {
			app.Emit(out, colours, colour{p.NetworkID})
		})))
	w.Set(apptest.Port("p0", "n", 1))
	w.Engine.Step()
	if ps := w.Engine.Problems(); len(ps) == 0 || !strings.Contains(ps[0].Text, "earlier rule reads") {
		t.Errorf("problems = %v", ps)
	}
}

func TestAnUndeclaredMatchIsRefused(t *testing.T) {
	w := apptest.New(t, testApp(app.For("test.self", view.Self, func(_ *view.Reader, _ view.Chassis, out *app.Output) {
		out.Flow(pipeline.Classify, 1, flow.NewMatch(pipeline.DestPort.Is(1)), flow.Drop(), "undeclared")
	})))
	w.Step()
	if ps := w.Engine.Problems(); len(ps) != 1 || !strings.Contains(ps[0].Text, "does not declare that it matches") {
		t.Errorf("problems = %v", ps)
	}
}

func TestNumbersOfVanishedOwnersRest(t *testing.T) {
	w := apptest.New(t, testApp(app.For("test.port", view.Ports, func(r *view.Reader, p *model.Port, out *app.Output) {
		classify(out, uint64(p.MACAddress[5]), flow.Do(flow.Load(pipeline.SourcePort, uint64(r.Number(pipeline.PortNumbers, p.ID)))))
	})))
	p := apptest.Port("p", "n", 1)
	w.Set(p)
	w.MustStep()
	if len(w.Numbers.Resting()) != 0 {
		t.Fatal("a claimed number rests")
	}
	w.Remove(p)
	w.MustStep()
	if rest := w.Numbers.Resting(); len(rest) != 1 || rest[0].Content != "p" {
		t.Fatalf("resting = %v, want p's number", rest)
	}
}

func TestTwoAppsOfOneNumberAreRefused(t *testing.T) {
	a, b := &app.App{Name: "a", ID: 1}, &app.App{Name: "b", ID: 1}
	if _, err := engine.New(view.NewDB(nil), number.New(), []*app.App{a, b}, engine.Options{}); err == nil {
		t.Error("accepted")
	}
}

// TestACopyIsOneMoment: whatever happens between its pieces, a copy is what was desired at its beginning.
func TestACopyIsOneMoment(t *testing.T) {
	w := apptest.New(t, testApp(app.For("test.port", view.Ports, perPort)))
	w.Set(apptest.Net("n"))
	port := func(i int) *model.Port { return apptest.Port(fmt.Sprintf("p%03d", i), "n", byte(i)) }
	for i := range 100 {
		w.Set(port(i))
	}
	w.MustStep()
	want := map[flow.Flow]bool{}
	for f := range w.Engine.Flows() {
		want[f] = true
	}
	c := w.Engine.BeginCopy()
	for i := 0; !c.Continue(7); i++ {
		w.Remove(port(3 * i))
		w.Set(port(100 + i))
		if i%4 == 3 {
			other := apptest.Net("n")
			other.MTU = 9000 + i
			w.Set(other)
		}
		w.MustStep()
	}
	n := 0
	for f := range c.Flows() {
		if n++; !want[f] {
			t.Errorf("the copy has %v", f)
		}
	}
	if n != len(want) {
		t.Errorf("the copy has %d flows of %d", n, len(want))
	}
}
