package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// pingEvery is the pace of the pings under which things are broken.
const pingEvery = 10 * time.Millisecond

// migrate moves a guest to another chassis under a ping and an open connection.
func migrate(ctx context.Context, t *story, s *site) {
	t.chapter("web2 moves from c2 to c3 while it works: a live migration")
	web1, web2 := s.guests["web1"], s.guests["web2"]
	to := netip.AddrPortFrom(web2.address(false), 7000)
	echo, err := web2.ServeEcho(ctx, "[::]:7000")
	if err != nil {
		t.step("the server listens", func() (string, error) { return "", err })
		return
	}
	defer func() { _ = echo.Close() }() // the guest ends with the demo anyway
	t.step("a ping every 10 ms notices a short gap, and an open connection goes on", func() (string, error) {
		conn, err := web1.Connect(ctx, to)
		if err != nil {
			return "", err
		}
		defer func() { _ = conn.Close() }() // it has said what it had to
		ping, err := web1.StartPing(web2.address(false), pingEvery)
		if err != nil {
			return "", err
		}
		moveErr := s.move(ctx, web2, "c3")
		pause(ctx, time.Second)
		stats, err := ping.Stop(ctx)
		err = errors.Join(moveErr, err, lab.Exchange(conn, 10*time.Second))
		const longest = 100 // requests: a second
		if err == nil && stats.Lost() > longest {
			err = errors.New("that is longer than a second")
		}
		return fmt.Sprintf("%s: about %d ms without an answer", stats, stats.Lost()*int(pingEvery.Milliseconds())), err
	})
	t.step("db1, which has always been on c3, reaches it there", func() (string, error) {
		return s.pings(ctx, "db1", web2.address(false))
	})
}

// move does what Nova and QEMU do: prepare the target, stop and go on there, tell Neutron, and clean up.
func (s *site) move(ctx context.Context, g *guest, to string) error {
	path := cloud.Path("port", g.id) + "/bindings"
	if err := s.API.Do(ctx, http.MethodPost, path, map[string]cloud.Object{"binding": {"host": to}}, nil); err != nil {
		return err
	}
	if err := s.offer(ctx, g, to); err != nil {
		return err
	}
	pause(ctx, 500*time.Millisecond) // the copy of the memory takes longer
	if err := errors.Join(g.mobile.Connect(to), g.mobile.Announce()); err != nil {
		return err
	}
	if err := s.API.Activate(ctx, g.id, to); err != nil {
		return err
	}
	if _, err := s.Chassis(g.at).OVS.Vsctl(ctx, "del-port", cloud.Bridge, "tap-"+g.Name()); err != nil {
		return err
	}
	err := s.API.Do(ctx, http.MethodDelete, path+"/"+g.at, nil, nil)
	g.at = to
	return err
}

// survive kills everything of Dragonflow under running pings.
func survive(ctx context.Context, t *story, s *site) {
	t.chapter("Everything is killed with SIGKILL at once: all controllers, the API server, the database; and started again")
	t.step("pings every 10 ms across chassis and through the router lose nothing", func() (string, error) {
		return s.killAll(ctx)
	})
	t.step("a new guest is plugged in on c2, gets its address and reaches web1", func() (string, error) {
		start := time.Now()
		err := s.newcomer(ctx)
		return ms(start), err
	})
}

func (s *site) killAll(ctx context.Context) (string, error) {
	before, err := s.flows(ctx)
	if err != nil {
		return "", err
	}
	var pings []*lab.Ping
	for _, way := range [][2]string{{"red1", "red2"}, {"web2", "web1"}, {"db1", "web1"}} {
		p, err := s.guests[way[0]].StartPing(s.guests[way[1]].address(false), pingEvery, "-c", "800", "-W", "2")
		if err != nil {
			return "", err
		}
		pings = append(pings, p)
	}
	pause(ctx, time.Second)
	for _, c := range s.All() {
		c.Controller.Kill()
	}
	s.Server.Kill()
	s.Database.Kill()
	pause(ctx, time.Second)
	start := time.Now()
	err = s.revive(ctx)
	back := ms(start)
	sent, lost := 0, 0
	for _, p := range pings {
		stats, waitErr := p.Wait(ctx)
		err = errors.Join(err, waitErr)
		sent, lost = sent+stats.Sent, lost+stats.Lost()
	}
	after, flowsErr := s.flows(ctx)
	if err = errors.Join(err, flowsErr); err != nil {
		return "", err
	}
	if lost > 0 {
		err = errors.New("packets were lost")
	}
	if changed := difference(before, after); changed != "" {
		err = errors.Join(err, errors.New("the restart changed flows:\n"+changed))
	}
	return fmt.Sprintf("%d sent, %d lost; back after %s, 0 flows changed", sent, lost, back), err
}

// difference is what one dump has and the other has not.
func difference(before, after string) string {
	var changed strings.Builder
	for _, side := range []struct{ mark, text, other string }{{"-", before, after}, {"+", after, before}} {
		for line := range strings.Lines(side.text) {
			// The flow with the note says how much of the snapshot the switch has.
			if !strings.Contains(side.other, line) && !strings.Contains(line, "actions=note:") {
				changed.WriteString(side.mark + line)
			}
		}
	}
	return changed.String()
}

// revive starts what was killed and waits until all of it works.
func (s *site) revive(ctx context.Context) error {
	daemons := []*cloud.Daemon{s.Database, s.Server}
	for _, c := range s.All() {
		daemons = append(daemons, c.Controller)
	}
	var errs []error
	for _, d := range daemons {
		errs = append(errs, d.Launch())
	}
	for _, d := range daemons {
		errs = append(errs, d.Wait(ctx))
	}
	return errors.Join(errs...)
}

// newcomer makes a guest on web1's network and has it ping web1.
func (s *site) newcomer(ctx context.Context) error {
	p := planned{name: "web3", project: "blue", network: "web", chassis: "c2", client: lab.Udhcpc}
	if err := s.guest(ctx, p); err != nil {
		return err
	}
	if _, err := s.lease(ctx, p.name, p.client); err != nil {
		return err
	}
	_, err := s.pings(ctx, p.name, s.guests["web1"].address(false))
	return err
}
