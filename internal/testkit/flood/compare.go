package flood

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Comparison is floods of two planes by turns, so that other work on the machine falls on both. All that it tells are
// medians.
type Comparison struct {
	Ours, Plain []Sample
}

// Round floods one plane and then the other, in an order that changes.
func (c *Comparison) Round(ctx context.Context, ours, plain *Plane, d time.Duration, perSecond int, frames func(Sender) [][]byte) error {
	turns := []struct {
		plane *Plane
		to    *[]Sample
	}{{ours, &c.Ours}, {plain, &c.Plain}}
	if len(c.Ours)%2 == 1 {
		slices.Reverse(turns)
	}
	for _, turn := range turns {
		s, err := turn.plane.Round(ctx, d, perSecond, frames(turn.plane.Sender))
		if err != nil {
			return fmt.Errorf("flood of %s: %w", turn.plane.Name, err)
		}
		*turn.to = append(*turn.to, s)
	}
	return nil
}

// waitedMost is the part of a round that ovs-vswitchd may wait for a processor until the round counts as disturbed.
const waitedMost = 0.25

// Undisturbed are the rounds in which other work on the machine kept neither switch from its own.
func (c *Comparison) Undisturbed() *Comparison {
	var u Comparison
	for i := range c.Ours {
		if max(c.Ours[i].Waited, c.Plain[i].Waited) <= waitedMost {
			u.Ours, u.Plain = append(u.Ours, c.Ours[i]), append(u.Plain, c.Plain[i])
		}
	}
	return &u
}

// Ratios are ours to those with plain switches of the same round: of the other guests' p99 on the flooded chassis and to
// the other one, and of what a packet costs ovs-vswitchd.
func (c *Comparison) Ratios() (near, far, packet float64) {
	ratio := func(of func(Sample) time.Duration) float64 {
		var list []float64
		for i := range c.Ours {
			list = append(list, float64(of(c.Ours[i]))/float64(max(1, of(c.Plain[i]))))
		}
		return median(list)
	}
	return ratio(func(s Sample) time.Duration { return s.Near.P99 }), ratio(func(s Sample) time.Duration { return s.Far.P99 }),
		ratio(func(s Sample) time.Duration { return s.Packet })
}

// Median is the sample each of whose values is the median of a list's.
func Median(list []Sample) (m Sample) {
	of := func(get func(*Sample) *time.Duration) {
		var values []time.Duration
		for i := range list {
			values = append(values, *get(&list[i]))
		}
		*get(&m) = median(values)
	}
	for _, get := range []func(*Sample) *time.Duration{
		func(s *Sample) *time.Duration { return &s.Near.P50 }, func(s *Sample) *time.Duration { return &s.Near.P99 },
		func(s *Sample) *time.Duration { return &s.Far.P50 }, func(s *Sample) *time.Duration { return &s.Far.P99 },
		func(s *Sample) *time.Duration { return &s.Packet },
	} {
		of(get)
	}
	share := func(get func(*Sample) *float64) {
		var values []float64
		for i := range list {
			values = append(values, *get(&list[i]))
		}
		*get(&m) = median(values)
	}
	for _, get := range []func(*Sample) *float64{
		func(s *Sample) *float64 { return &s.Offered }, func(s *Sample) *float64 { return &s.Taken },
		func(s *Sample) *float64 { return &s.Controller }, func(s *Sample) *float64 { return &s.Switch },
		func(s *Sample) *float64 { return &s.Waited },
	} {
		share(get)
	}
	return m
}

func median[T cmp.Ordered](list []T) T {
	var zero T
	if len(list) == 0 {
		return zero
	}
	return slices.Sorted(slices.Values(list))[len(list)/2]
}

// String is a line for people.
func (c *Comparison) String() string {
	near, far, packet := c.Ratios()
	ours, plain := Median(c.Ours), Median(c.Plain)
	return fmt.Sprintf("%d rounds, offered %.0f and %.0f frames/s, taken %.0f and %.0f; the controller used %.1f %% of a core; "+
		"p99 on the chassis %v to %v of plain switches: %.2f ×, across %v to %v: %.2f ×; vswitchd a packet %v to %v: %.2f ×; it waited for a processor %.0f and %.0f %% of the time",
		len(c.Ours), ours.Offered, plain.Offered, ours.Taken, plain.Taken, 100*ours.Controller,
		ours.Near.P99, plain.Near.P99, near, ours.Far.P99, plain.Far.P99, far, ours.Packet, plain.Packet, packet,
		100*ours.Waited, 100*plain.Waited)
}
