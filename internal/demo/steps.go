package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// reach pings what the default group allows, and what nobody may.
func reach(ctx context.Context, t *story, s *site) {
	t.chapter("Guests of a project reach each other across chassis, in tunnels and through the router; projects never meet")
	for _, way := range []struct{ from, to, how string }{
		{"web1", "web2", "through a Geneve tunnel from c1 to c2"}, {"web1", "db1", "routed on c1, straight to c3"},
		{"db1", "web2", "routed on c3, straight to c2"},
	} {
		for _, v6 := range []bool{false, true} {
			t.step(fmt.Sprintf("%s pings %s, IPv%d, %s", way.from, way.to, version(v6), way.how), func() (string, error) {
				return s.pings(ctx, way.from, s.guests[way.to].address(v6))
			})
		}
	}
	t.step("there is one router on the way from web1 to db1, and it says so", func() (string, error) {
		reply, err := s.guests["web1"].EchoRequest(ctx, s.guests["db1"].address(false), lab.EchoOptions{TTL: 1})
		if err == nil && (!reply.Exceeded || reply.From != netip.MustParseAddr("10.0.1.1")) {
			err = fmt.Errorf("unexpected: %+v", reply)
		}
		return "time exceeded, from 10.0.1.1", err
	})
	t.step("red1 pings 10.0.1.77, which only blue has: no answer", func() (string, error) {
		reply, err := s.guests["red1"].EchoRequest(ctx, s.guests["web2"].address(false), lab.EchoOptions{})
		if err == nil && reply.Answered {
			err = errors.New("there is an answer")
		}
		return "silence", err
	})
}

// version is the number of the family.
func version(v6 bool) int {
	if v6 {
		return 6
	}
	return 4
}

// pings waits for the first answer, and has three more requests answered.
func (s *site) pings(ctx context.Context, from string, to netip.Addr) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	g := s.guests[from]
	if err := g.Reaches(ctx, to); err != nil {
		return "", err
	}
	stats, err := g.Ping(ctx, to, 3)
	if err == nil && stats.Lost() > 0 {
		err = errors.New("not as promised")
	}
	return stats.String(), err
}

// rules shows a service that a rule opens to another chassis, and closes again under an open connection.
func rules(ctx context.Context, t *story, s *site) {
	t.chapter("A database on db1, in a security group of its own without a rule that lets anybody in")
	to := netip.AddrPortFrom(s.guests["db1"].address(false), 5432)
	echo, err := s.guests["db1"].ServeEcho(ctx, "[::]:5432")
	if err != nil {
		t.step("the server listens", func() (string, error) { return "", err })
		return
	}
	defer func() { _ = echo.Close() }() // the guest ends with the demo anyway
	var group string
	db1 := s.guests["db1"].id
	port, err := s.API.Show(ctx, "port", db1)
	if err != nil {
		t.step("db1 has groups", func() (string, error) { return "", err })
		return
	}
	t.step("db1 moves to the group db", func() (string, error) {
		start := time.Now()
		made, err := s.API.As("blue").Create(ctx, "security_group", cloud.Object{"name": "db"})
		if err != nil {
			return "", err
		}
		group = made.ID()
		_, err = s.API.Update(ctx, "port", db1, cloud.Object{"security_groups": []string{group}})
		return ms(start), err
	})
	t.step("web1 can no longer connect to "+to.String(), func() (string, error) {
		// The API answers when the change is safe in the database; the switch follows within milliseconds.
		err := cloud.Eventually(ctx, 5*time.Second, func(ctx context.Context) error { return s.refused(ctx, "web1", to) })
		return "no answer within 1 s", err
	})
	t.step("dragonflow why, on c1, says which rule is missing on c3", func() (string, error) {
		out, err := s.Chassis("c1").Ask(ctx, "why", "web1", "db1", "tcp/5432")
		if err == nil && (!strings.Contains(out, "db") || !strings.Contains(out, "c3")) {
			err = errors.New("group or chassis is not named")
		}
		return strings.SplitN(out, "\n", 2)[0], err
	})
	s.opened(ctx, t, group, to)
	t.step("db1 moves back to the default group: web1 reaches it again", func() (string, error) {
		_, err := s.API.Update(ctx, "port", db1, cloud.Object{"security_groups": port["security_groups"]})
		if err != nil {
			return "", err
		}
		return s.pings(ctx, "web1", to.Addr())
	})
}

func (s *site) opened(ctx context.Context, t *story, group string, to netip.AddrPort) {
	var rule cloud.Object
	var conn net.Conn
	t.step("with a rule for tcp/5432 it can, and a connection stays open", func() (string, error) {
		start := time.Now()
		var err error
		rule, err = s.API.As("blue").Create(ctx, "security_group_rule", cloud.Object{
			"security_group_id": group, "direction": "ingress", "ethertype": "IPv4", "protocol": "tcp",
			"port_range_min": to.Port(), "port_range_max": to.Port(),
		})
		if err != nil {
			return "", err
		}
		err = cloud.Eventually(ctx, 10*time.Second, func(ctx context.Context) error {
			// The first packet may be before the rule; a short patience does not wait for its repetition.
			limited, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			defer cancel()
			conn, err = s.guests["web1"].Connect(limited, to)
			return err
		})
		return "connected " + ms(start) + " after the rule was asked for", err
	})
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }() // cut by then
	t.step("the rule is removed: the open connection is cut", func() (string, error) {
		start := time.Now()
		if err := s.API.Delete(ctx, "security_group_rule", rule.ID()); err != nil {
			return "", err
		}
		err := cloud.Eventually(ctx, 5*time.Second, func(context.Context) error {
			if lab.Exchange(conn, 300*time.Millisecond) == nil {
				return errors.New("the connection still lives")
			}
			return nil
		})
		return "cut within " + ms(start), err
	})
}

func (s *site) refused(ctx context.Context, from string, to netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := s.guests[from].Connect(ctx, to)
	if err == nil {
		return errors.Join(errors.New("the connection came about"), conn.Close())
	}
	return nil
}
