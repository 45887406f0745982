package operate_test

import (
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// TestWhy asks what an operator asks, and expects the sentence.
func TestWhy(t *testing.T) {
	c := newCloud(t)
	remote := apptest.Port("55555555-far", "n", 5, "10.0.0.5")
	remote.Name = "far1"
	unplugged := apptest.Port("66666666-off", "n", 6, "10.0.0.6")
	unplugged.Name = "off1"
	alone := apptest.Port("88888888-alone", "m", 8, "10.1.0.8")
	alone.Name = "alone1"
	stranger := *c.stranger
	stranger.SecurityGroups = []string{"g-web"}
	c.Set(remote, unplugged, apptest.Bind(unplugged), alone, &stranger)
	c.MustStep()
	for _, q := range []struct {
		port, dst, what string
		passes          bool
		want            string
	}{
		{"web1", "db1", "tcp/5432", true,
			"delivered to db1: allowed by egress rule tcp/1-65535 to 0.0.0.0/0 of group web and allowed by ingress rule tcp/5432 from members of web of group database; replies pass"},
		{"web1", "db1", "tcp/5433", false,
			"dropped in ingress-refuse at port db1: no rule of groups [database] allows tcp/5433 from 10.0.0.1; nearest: tcp/5432 from members of web of group database (other port)"},
		{"web1", "10.0.0.2", "tcp/22", false,
			"dropped in ingress-refuse at port db1: no rule of groups [database] allows tcp/22 from 10.0.0.1; nearest: tcp/22 from 10.9.0.0/16 of group database (other source)"},
		{"web1", "db1", "udp/53", false,
			"dropped in egress-refuse at port web1: no rule of groups [web] allows udp/53 to 10.0.0.2; nearest: tcp/1-65535 to 0.0.0.0/0 of group web (other protocol)"},
		{"db1", "web1", "tcp/443", false,
			"dropped in egress-refuse at port db1: no rule of groups [database] allows tcp/443 to 10.0.0.1; they have no egress rule at all"},
		{"open1", "web1", "tcp/443", true,
			"delivered to web1: open1 has no port security and allowed by ingress rule tcp/443 from 0.0.0.0/0 of group web; replies pass"},
		{"web1", "open1", "", true,
			"delivered to open1: allowed by egress rule icmp to 0.0.0.0/0 of group web and open1 has no port security; replies pass"},
		{"web1", "2001:db8::2", "", false,
			"dropped in egress-refuse at port web1: no rule of groups [web] allows icmpv6/128/0 to 2001:db8::2; nearest: icmp to 0.0.0.0/0 of group web (other ethertype)"},
		{"open1", "fe80::f816:3eff:fe00:2", "", false,
			"dropped in ingress-refuse at port db1: no rule of groups [database] allows icmpv6/128/0 from fe80::f816:3eff:fe00:3; nearest: "},
		{"web1", "far1", "tcp/80", false,
			"not delivered to far1, which this chassis does not serve (the port is not bound to this chassis); as unknown unicast delivered to open1 (OpenFlow port 3)"},
		{"stranger1", "alone1", "icmp", false,
			"dropped in l2-lookup of network m at port stranger1: no port of the network has the destination address; alone1 is not served by this chassis: the port is not bound to this chassis"},
		{"web1", "stranger1", "", false,
			"web1 is on network n and stranger1 on network m, and nothing routes between them"},
		{"web1", "10.0.0.77", "", false,
			"no port of network n has the address 10.0.0.77: nobody answers for it, so nothing is sent"},
		{"web1", "10.0.0.1", "", false, "web1 asks about itself: a guest does not send that to the switch"},
		{"web1", "192.0.2.1", "", false, "192.0.2.1 is not on network n of web1, and nothing routes there"},
		{"off1", "web1", "", false,
			"nothing passes at off1: no interface of the switch carries external_ids:iface-id=66666666-off"},
		{"22222222", "tap-11111111-web", "tcp/443", false, "dropped in egress-refuse at port db1: "},
	} {
		ans, err := operate.Why(c.world(), operate.Question{Port: q.port, Dst: q.dst, What: q.what})
		if err != nil {
			t.Errorf("%s %s %s: %v", q.port, q.dst, q.what, err)
			continue
		}
		if !strings.HasPrefix(ans.Sentence, q.want) || ans.Passes != q.passes {
			t.Errorf("%s %s %s:\n%s\nwant (passes: %v)\n%s", q.port, q.dst, q.what, ans.Sentence, q.passes, q.want)
		}
	}
}

// TestWhyOfMetadata asks about the way to the service of metadata, with and without one.
func TestWhyOfMetadata(t *testing.T) {
	c := newCloud(t)
	why := func(dst, what, want string, passes bool) {
		t.Helper()
		ans, err := operate.Why(c.world(), operate.Question{Port: "db1", Dst: dst, What: what})
		if err != nil || !strings.HasPrefix(ans.Sentence, want) || ans.Passes != passes {
			t.Errorf("%s %s: %v\n%+v\nwant (passes: %v)\n%s", dst, what, err, ans, passes, want)
		}
	}
	why("169.254.169.254", "tcp/80", "no chassis without metadata-nova-url serves 169.254.169.254, and as far as can be seen here c1 has none: nobody answers for it", false)
	c.Set(view.MetadataPort{OFPort: 99})
	c.MustStep()
	for _, ip := range []string{"169.254.169.254", "fe80::a9fe:a9fe"} {
		why(ip, "tcp/80", "delivered to the service of metadata, which answers 404 Not Found: the port has no device_id", true)
	}
	db := *c.db
	db.DeviceID, db.ProjectID = "instance-d", "project-d"
	c.Set(&db)
	c.MustStep()
	why("169.254.169.254", "tcp/80", "delivered to the service of metadata, which asks Nova in the name of instance instance-d of project project-d", true)
	ans, err := operate.Why(c.world(), operate.Question{Port: "open1", Dst: "169.254.169.254", What: "tcp/8080"})
	if err != nil || !strings.HasPrefix(ans.Sentence, "dropped in metadata-request at port open1: metadata: only HTTP is served at this address") {
		t.Errorf("%v\n%+v", err, ans)
	}
}

func TestQuestionsThatCannotBeUnderstood(t *testing.T) {
	c := newCloud(t)
	twin := apptest.Port("77777777-twin", "n", 7, "10.0.0.7")
	twin.Name = "web1"
	c.Set(twin)
	c.MustStep()
	for _, q := range []struct{ port, dst, what, want string }{
		{"nobody", "db1", "", `knows no port "nobody"`},
		{"web1", "db1", "", `2 ports are called "web1": use one of the ids 11111111-web, 77777777-twin`},
		{"db1", "nobody", "", `knows no port "nobody"`},
		{"db1", "open1", "tcp", `"tcp" needs a port`},
		{"db1", "open1", "tcp/70000", `"70000" is not a number up to 65535`},
		{"db1", "open1", "tcp/1/2", `too many numbers`},
		{"db1", "open1", "icmp/256", `up to 255`},
		{"db1", "open1", "any", `name a protocol`},
		{"db1", "open1", "icmpv6", `not a packet of IPv4`},
		{"db1", "open1", "teleport", `is not a packet`},
		{"db1", "open1", "", ""},
		{"open1", "2001:db8::2", "", "has no address of the family"},
	} {
		_, err := operate.Why(c.world(), operate.Question{Port: q.port, Dst: q.dst, What: q.what})
		if q.want == "" && err != nil || q.want != "" && (err == nil || !strings.Contains(err.Error(), q.want)) {
			t.Errorf("%s %s %s: %v, want %q", q.port, q.dst, q.what, err, q.want)
		}
	}
}

// TestWhyTellsWhatIsWaitedFor: rules in a scope that is not there keep the port's old flows, and the
// answer says so.
func TestWhyTellsWhatIsWaitedFor(t *testing.T) {
	c := newCloud(t)
	p := *c.db
	p.SecurityGroups = []string{"g-unseen"}
	c.SetUnsynced(&p)
	c.Step()
	ans, err := operate.Why(c.world(), operate.Question{Port: "web1", Dst: "db1", What: "tcp/5432"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(ans.Waiting, "\n"), "secgroup/g-unseen") {
		t.Errorf("waiting: %q; %s", ans.Waiting, ans.Sentence)
	}
}

// TestWhyOnUnsettledRows: what the rows allow and the flows do not is told as what it is.
func TestWhyOnUnsettledRows(t *testing.T) {
	c := newCloud(t)
	c.Set(rule("new", "g-db", model.Ingress, flow.ProtoTCP, 5433, 5433, "", ""))
	ans, err := operate.Why(c.world(), operate.Question{Port: "web1", Dst: "db1", What: "tcp/5433"})
	if err != nil || !strings.Contains(ans.Sentence, "the flows are not in force yet") {
		t.Errorf("%+v, %v", ans, err)
	}
	c.MustStep()
	ans, err = operate.Why(c.world(), operate.Question{Port: "web1", Dst: "db1", What: "tcp/5433"})
	if err != nil || !ans.Passes {
		t.Errorf("%+v, %v", ans, err)
	}
}

// FuzzWhy asks anything.
func FuzzWhy(f *testing.F) {
	c := newCloud(f)
	for _, q := range [][3]string{{"web1", "db1", "tcp/5432"}, {"open1", "10.0.0.1", "icmp/8/0"}, {"1111", "fe80::1%eth0", "47"}, {"", "::", "udp:1"}} {
		f.Add(q[0], q[1], q[2])
	}
	f.Fuzz(func(t *testing.T, port, dst, what string) {
		ans, err := operate.Why(c.world(), operate.Question{Port: port, Dst: dst, What: what})
		if (err == nil) != (ans != nil) || err == nil && ans.Sentence == "" {
			t.Errorf("%+v, %v", ans, err)
		}
	})
}
