package secgroup_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
)

// A guest that was migrated goes on with connections of which its new chassis has seen no beginning: the
// first segment that the rules allow takes the connection up.
func TestAConnectionIsTakenUpInTheMiddle(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		c := newCloud(t, []string{"web"}, group("web"), rule("http", "web", model.Ingress, e, proto(6), ports(80, 80)))
		p := pathOf(c.client, c.server, n)
		c.passes(p, "data in the middle, which a rule lets in", p.tcp(40000, 80, ack, 1000000, 7000000))
		c.passes(p.back(), "the answer", p.back().tcp(80, 40000, ack, 7000000, 1000001))
		c.passes(p, "more data", p.tcp(40000, 80, ack, 1000001, 7000001))
		c.passes(p.back(), "another answer", p.back().tcp(80, 40000, ack, 7000001, 1000002))
		c.stops(p, "data in the middle, which no rule lets in", p.tcp(40000, 81, ack, 1000000, 7000000))
	})
}

func TestWhatNobodyLetsInWaitsForTheGuestThatBegan(t *testing.T) {
	inFamilies(t, func(t *testing.T, n int, e model.EtherType) {
		c := newCloud(t, []string{"web"}, group("web"), rule("out", "web", model.Egress, e), rule("http", "web", model.Ingress, e, proto(6), ports(80, 80)))
		p := pathOf(c.client, c.server, n)
		c.stops(p.back(), "data for a client of whose connection nothing is known", p.back().tcp(80, 40000, ack, 7000000, 1000000))
		c.passes(p, "the client's next segment", p.tcp(40000, 80, ack, 1000000, 7000000))
		c.passes(p.back(), "the same data again", p.back().tcp(80, 40000, ack, 7000000, 1000001))
	})
}
