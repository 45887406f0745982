package provider_test

import (
	"encoding/hex"
	"regexp"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// policy guarantees so many kilobits a second of what is sent.
func policy(kbps int) *model.QoSPolicy {
	return &model.QoSPolicy{Meta: model.Meta{ID: "q", Revision: int64(kbps)}, MinimumBandwidths: []model.QoSMinimum{{Direction: model.Egress, Min: kbps}}}
}

// guaranteed are the rows of the other tests, where port a has the policy and the way out guarantees.
func guaranteed() []any {
	list := rows()
	for i, r := range list {
		switch r := r.(type) {
		case view.ProviderPort:
			r.Kbps = 1_000_000
			list[i] = r
		case *model.Port:
			if r.ID == "a" {
				r.QoSPolicyID = "q"
			}
		}
	}
	return append(list, policy(3000))
}

// TestAGuaranteedPortHasItsQueue: what the port sends outside waits in its queue, in whatever list of copies; nothing else does.
func TestAGuaranteedPortHasItsQueue(t *testing.T) {
	t.Parallel()
	s := newWiredOf(t, guaranteed())
	var g view.Guarantee
	s.w.DB.Each(view.Guarantees, func(_ string, row any) { g = row.(view.Guarantee) })
	if g.PortID != "a" || g.PhysicalNetwork != "physnet1" || g.Kbps != 3000 || g.Queue == 0 {
		t.Fatalf("guaranteed is %+v", g)
	}
	ports := s.Appctl("dpif/show")
	at := func(port string) string { // its number in the datapath
		m := regexp.MustCompile(port + ` \d+/(\d+):`).FindStringSubmatch(ports)
		if m == nil {
			t.Fatalf("no port %s in\n%s", port, ports)
		}
		return m[1]
	}
	wire, b := at(wirePort), at("tap-b")
	queued := regexp.MustCompile(`set\(skb_priority\(0x[1-9a-f][0-9a-f]*\)\),` + wire + `\b`)
	waits := regexp.MustCompile(`skb_priority\(0x[1-9a-f][0-9a-f]*\)\),([^s]*,)?` + b + `\b`)
	for _, c := range []struct {
		what, from string
		frame      []byte
		queued     bool
	}{
		{"unicast", "a", frame(guest(1), outside, -1), true},
		{"to a guest elsewhere", "a", frame(guest(1), guest(3), -1), true},
		{"broadcast", "a", frame(guest(1), broadcast, -1), true},
		{"of a port without guarantee", "b", frame(guest(2), outside, -1), false},
		{"of a router", "b", frame(routerMAC, outside, -1), false},
	} {
		trace := s.Appctl("ofproto/trace", apptest.Bridge, "in_port=tap-"+c.from, hex.EncodeToString(c.frame))
		actions := trace[strings.LastIndex(trace, "Datapath actions:"):]
		if got := queued.MatchString(actions); got != c.queued {
			t.Errorf("%s: queued is %v, want %v: %s", c.what, got, c.queued, actions)
		}
		if waits.MatchString(actions) {
			t.Errorf("%s: the copy for a guest here waits too: %s", c.what, actions)
		}
	}
}

// TestAnotherGuaranteeChangesNoFlow: the rate is the queue's.
func TestAnotherGuaranteeChangesNoFlow(t *testing.T) {
	w := apptest.New(t, apps()...)
	w.Set(guaranteed()...)
	w.MustStep()
	before := w.Flows()
	w.Set(policy(9000))
	w.MustStep()
	if after := w.Flows(); after != before {
		t.Errorf("the flows changed from\n%s\nto\n%s", before, after)
	}
	if g, _ := view.Get(w.Reader(), view.Guarantees, "a"); g.Kbps != 9000 {
		t.Errorf("guaranteed is %+v, want 9000 kilobits", g)
	}
}

func TestGuaranteedHistories(t *testing.T) {
	apptest.Histories(t, apps, guaranteed(), []any{policy(5000), view.ProviderPort{PhysicalNetwork: "physnet2", OFPort: 51, Kbps: 5}})
}

// TestWhatCannotBeGuaranteedIsTold: where the way out guarantees nothing, and where there is none.
func TestWhatCannotBeGuaranteedIsTold(t *testing.T) {
	w := apptest.New(t, apps()...)
	w.Set(guaranteed()...)
	w.Set(physical)
	w.Step()
	if got := problems(w); !strings.Contains(got, "this chassis guarantees none on physical network physnet1") {
		t.Errorf("a way without bandwidth is not told:\n%s", got)
	}
	if strings.Contains(w.Flows(), "set_queue") {
		t.Errorf("there is a queue:\n%s", w.Flows())
	}
	w.Remove(physical)
	w.Step()
	if got := problems(w); !strings.Contains(got, "its network has none on this chassis") {
		t.Errorf("no way is not told:\n%s", got)
	}
}
