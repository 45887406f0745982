package flood

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
)

// Sample is what one flood did.
type Sample struct {
	// Offered is how many frames a second the guest's interface took.
	Offered float64
	// Controller is the share of a core that the controller of the flooded chassis used, Switch that of its ovs-vswitchd.
	Controller, Switch float64
	// Taken is how many packets a second ovs-vswitchd took in, of the flood and of all others; Packet is the processor time
	// that each cost it.
	Taken  float64
	Packet time.Duration
	// Waited is the part of the time in which ovs-vswitchd had work and no processor, as others had them: then round trips
	// tell of the others.
	Waited float64
	// Near and Far are what the client saw meanwhile.
	Near, Far Trips
}

// Trips are the round trips of echo requests to one guest.
type Trips struct {
	P50, P99       time.Duration
	Sent, Answered int
}

// pingEvery makes a thousand round trips in two seconds.
const pingEvery = 2 * time.Millisecond

// Round has the hostile guest send frames for some time, so many a second, while the client talks to both others. Without
// frames nobody floods.
func (p *Plane) Round(ctx context.Context, d time.Duration, perSecond int, frames [][]byte) (s Sample, err error) {
	w, err := p.Hostile.Wire(false)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	before, err := p.used(ctx)
	if err != nil {
		return s, err
	}
	var pings []*lab.Ping
	for _, to := range []netip.Addr{p.Near.V4, p.Far.V4} {
		ping, err := p.Client.StartPing(to, pingEvery)
		if err != nil {
			return s, err
		}
		pings = append(pings, ping)
	}
	began := time.Now()
	if len(frames) > 0 {
		s.Offered = float64(w.Flood(d, perSecond, frames)) / time.Since(began).Seconds()
	} else {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
	took := time.Since(began).Seconds()
	after, err := p.used(ctx)
	if err != nil {
		return s, err
	}
	s.Controller, s.Switch = (after.controller-before.controller).Seconds()/took, (after.vswitchd-before.vswitchd).Seconds()/took
	s.Waited = (after.waited - before.waited).Seconds() / took
	packets := after.packets - before.packets
	s.Taken, s.Packet = float64(packets)/took, (after.vswitchd-before.vswitchd)/time.Duration(max(1, packets))
	for i, to := range []*Trips{&s.Near, &s.Far} {
		if *to, err = trips(ctx, pings[i]); err != nil {
			return s, err
		}
	}
	return s, nil
}

// lost stands for the round trip of a request without answer.
const lost = time.Second

// trips ends a ping. A request without answer counts as one with a late answer; the last ones may be under way.
func trips(ctx context.Context, p *lab.Ping) (Trips, error) {
	stats, err := p.Stop(ctx)
	if err != nil {
		return Trips{}, err
	}
	list := slices.Sorted(slices.Values(p.Trips()))
	if len(list) == 0 {
		return Trips{P50: lost, P99: lost, Sent: stats.Sent}, nil
	}
	for range max(0, stats.Lost()-underWay) {
		list = append(list, lost)
	}
	return Trips{P50: list[len(list)/2], P99: list[len(list)*99/100], Sent: stats.Sent, Answered: stats.Received}, nil
}

// underWay is how many requests may lack their answer when a ping ends.
const underWay = 5

// use is what the processes of the flooded chassis have used, and the packets that ovs-vswitchd has taken in.
type use struct {
	controller, vswitchd, waited time.Duration
	packets                      int
}

var received = regexp.MustCompile(`packets received: (\d+)`)

func (p *Plane) used(ctx context.Context) (c use, err error) {
	sw := p.chassis[0].OVS
	stats, err := sw.Appctl(ctx, "dpif-netdev/pmd-stats-show")
	if err != nil {
		return c, err
	}
	for _, m := range received.FindAllStringSubmatch(stats, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return c, fmt.Errorf("packets received: %w", err)
		}
		c.packets += n
	}
	pid := sw.VswitchdPID()
	if _, c.waited, err = schedule(fmt.Sprintf("/proc/%d/schedstat", pid)); err != nil { // of the thread that moves packets
		return c, err
	}
	if c.vswitchd, err = cpuOf(pid); err != nil || p.Cloud == nil {
		return c, err
	}
	c.controller, err = cpuOf(p.Cloud.All()[0].Controller.PID())
	return c, err
}

// cpuOf is the processor time of the threads that a process has, to the nanosecond.
func cpuOf(pid int) (time.Duration, error) {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		return 0, fmt.Errorf("processor time of process %d: it has no threads (%w)", pid, err)
	}
	var sum time.Duration
	for _, name := range files {
		ran, _, err := schedule(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, err
		}
		sum += ran
	}
	return sum, nil
}

// schedule is how long a thread ran, and how long it waited for a processor.
func schedule(file string) (ran, waited time.Duration, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, fmt.Errorf("processor time: %w", err)
	}
	if _, err := fmt.Sscan(string(text), (*int64)(&ran), (*int64)(&waited)); err != nil {
		return 0, 0, fmt.Errorf("processor time in %s: %w", file, err)
	}
	return ran, waited, nil
}
