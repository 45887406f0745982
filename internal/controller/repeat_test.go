package controller

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// What an app announces is announced again after its pauses, and then no more; what an app does not want is not.
func TestAnnouncementsAreRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := &app.App{Announcer: &app.Announcer{
			Again:  func(*view.Reader, string) []app.PacketOut { return nil },
			Pauses: []time.Duration{100 * time.Millisecond, 300 * time.Millisecond},
		}}
		once := &app.App{Announcer: &app.Announcer{}}
		r, began := newRepeats(), time.Now()
		defer r.timer.Stop()
		add := map[time.Duration]announcement{0: {again, "a"}, 20 * time.Millisecond: {once, "b"}, 50 * time.Millisecond: {again, "c"}}
		var heard []string
		for limit := time.After(2 * time.Second); ; {
			for after, a := range add {
				if time.Since(began) >= after {
					r.add(a, time.Now())
					delete(add, after)
				}
			}
			select {
			case now := <-r.timer.C:
				for _, a := range r.take(now) {
					heard = append(heard, a.key+" "+now.Sub(began).String())
				}
				continue
			case <-time.After(10 * time.Millisecond):
				continue
			case <-limit:
			}
			break
		}
		if want := []string{"a 100ms", "c 150ms", "a 400ms", "c 450ms"}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
		if len(r.waiting) > 0 {
			t.Errorf("%d announcements still wait", len(r.waiting))
		}
	})
}
