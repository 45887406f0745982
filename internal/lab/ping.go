package lab

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PingStats is what ping(8) says at its end.
type PingStats struct {
	Sent, Received, Duplicates int
	Min, Avg, Max              time.Duration // of the round trips; 0 if there was none
}

// Lost is how many requests had no answer.
func (s PingStats) Lost() int { return s.Sent - s.Received }

// String is a line for people.
func (s PingStats) String() string {
	text := fmt.Sprintf("%d sent, %d received", s.Sent, s.Received)
	if s.Duplicates > 0 {
		text += fmt.Sprintf(", %d duplicates", s.Duplicates)
	}
	if s.Received > 0 {
		text += fmt.Sprintf(", %v on average", s.Avg.Round(time.Microsecond))
	}
	return text
}

// Ping is a running ping(8).
type Ping struct {
	p *Process
}

// StartPing sends an echo request each interval until Stop. Below 2 ms ping(8)
// does not wait for the interval.
func (n *Namespace) StartPing(to netip.Addr, interval time.Duration, options ...string) (*Ping, error) {
	argv := append([]string{"ping", "-n", "-i", seconds(interval)}, options...)
	p, err := n.Start([]string{"LC_ALL=C"}, append(argv, to.String())...)
	if err != nil {
		return nil, err
	}
	return &Ping{p: p}, nil
}

// Answered says whether a request was answered so far.
func (p *Ping) Answered() bool { return strings.Contains(p.p.Output(), " bytes from ") }

// Trips are the round trips so far.
func (p *Ping) Trips() []time.Duration { return parseTrips(p.p.Output()) }

// Stop ends the ping and says how it went. A request that is under way counts
// as sent: ping(8) itself waits for it no longer.
func (p *Ping) Stop(ctx context.Context) (PingStats, error) {
	// ping(8) exits with 1 when it got no answer at all: the numbers say so too.
	stopErr := p.p.Stop(ctx, syscall.SIGINT)
	stats, err := parsePing(p.p.Output())
	if err != nil && stopErr != nil {
		err = stopErr
	}
	return stats, err
}

// Wait waits for the end of a ping that has one, by the option "-c", and says how it went. The last answer is waited for.
func (p *Ping) Wait(ctx context.Context) (PingStats, error) {
	waitErr := p.p.Wait(ctx) // it fails when it got no answer at all: the numbers say so too
	stats, err := parsePing(p.p.Output())
	if err != nil && waitErr != nil {
		err = waitErr
	}
	return stats, err
}

// Ping sends count echo requests, one each 0.2 s, and waits up to a second for
// the last answer.
func (n *Namespace) Ping(ctx context.Context, to netip.Addr, count int, options ...string) (PingStats, error) {
	argv := append([]string{"-c", strconv.Itoa(count), "-W", "1"}, options...)
	p, err := n.StartPing(to, 200*time.Millisecond, argv...)
	if err != nil {
		return PingStats{}, err
	}
	return p.Wait(ctx)
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }

// parseTrips reads the round trips that iputils' ping prints one by one.
func parseTrips(text string) (list []time.Duration) {
	for _, m := range pingTrip.FindAllStringSubmatch(text, -1) {
		if ms, err := strconv.ParseFloat(m[1], 64); err == nil {
			list = append(list, time.Duration(ms*float64(time.Millisecond)))
		}
	}
	return list
}

var (
	pingTrip    = regexp.MustCompile(`time=([\d.]+) ms`)
	pingCounts  = regexp.MustCompile(`(\d+) packets transmitted, (\d+) received(?:, \+(\d+) duplicates)?`)
	pingTimings = regexp.MustCompile(`rtt min/avg/max/mdev = ([\d.]+)/([\d.]+)/([\d.]+)/[\d.]+ ms`)
)

// parsePing reads the statistics of iputils' ping.
func parsePing(text string) (PingStats, error) {
	m := pingCounts.FindStringSubmatch(text)
	if m == nil {
		return PingStats{}, fmt.Errorf("ping gave no statistics: %q", text)
	}
	var s PingStats
	for i, to := range []*int{&s.Sent, &s.Received, &s.Duplicates} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(m[i+1])
		if err != nil {
			return PingStats{}, fmt.Errorf("ping's statistics: %w", err)
		}
		*to = n
	}
	if m = pingTimings.FindStringSubmatch(text); m == nil {
		return s, nil
	}
	for i, to := range []*time.Duration{&s.Min, &s.Avg, &s.Max} {
		ms, err := strconv.ParseFloat(m[i+1], 64)
		if err != nil {
			return PingStats{}, fmt.Errorf("ping's statistics: %w", err)
		}
		*to = time.Duration(ms * float64(time.Millisecond))
	}
	return s, nil
}
