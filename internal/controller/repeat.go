package controller

import (
	"slices"
	"time"
)

// repeats are announcements that are made again after their pauses.
type repeats struct {
	// timer fires when the first of them is due.
	timer *time.Timer
	// waiting are in the order in which they are due.
	waiting []repeat
}

// repeat is an announcement that is due again; nth counts from zero.
type repeat struct {
	announcement
	due time.Time
	nth int
}

func newRepeats() *repeats {
	r := &repeats{timer: time.NewTimer(0)}
	r.timer.Stop()
	return r
}

// add has an announcement made again for the first time, if its app wants that.
func (r *repeats) add(a announcement, now time.Time) {
	if a.app.Announcer.Again != nil {
		r.wait(repeat{announcement: a}, now)
		r.arm(now)
	}
}

func (r *repeats) wait(x repeat, now time.Time) {
	pauses := x.app.Announcer.Pauses
	if x.nth >= len(pauses) {
		return
	}
	x.due = now.Add(pauses[x.nth])
	at, _ := slices.BinarySearchFunc(r.waiting, x, func(a, b repeat) int {
		if a.due.After(b.due) {
			return 1
		}
		return -1 // those that are due at the same time stay in their order
	})
	r.waiting = slices.Insert(r.waiting, at, x)
}

// take returns what is due.
func (r *repeats) take(now time.Time) []announcement {
	due := slices.IndexFunc(r.waiting, func(x repeat) bool { return x.due.After(now) })
	if due < 0 {
		due = len(r.waiting)
	}
	taken := slices.Clone(r.waiting[:due])
	r.waiting = slices.Delete(r.waiting, 0, due)
	out := make([]announcement, len(taken))
	for i, x := range taken {
		out[i] = x.announcement
		x.nth++
		r.wait(x, now)
	}
	r.arm(now)
	return out
}

func (r *repeats) arm(now time.Time) {
	if len(r.waiting) > 0 {
		r.timer.Reset(r.waiting[0].due.Sub(now))
	}
}
