package ovsdb

import (
	"context"
	"encoding/json"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestAServerThatAnswersIsKept has a server answer each echo at once, in no time as the clock goes, as one on the
// same machine may: each probe then finds the last sign of life as old as the question.
func TestAServerThatAnswersIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		cn := newConn(ours, time.Second)
		asked := 0
		go func() { // ends with the connection
			in, out := json.NewDecoder(theirs), json.NewEncoder(theirs)
			for {
				var m message
				if in.Decode(&m) != nil {
					return
				}
				asked++
				if out.Encode(message{ID: m.ID, Result: json.RawMessage("[]"), Error: json.RawMessage("null")}) != nil {
					return
				}
			}
		}()
		c := &Client{cfg: Config{}.withDefaults(), box: newMailbox(), replica: newReplica()}
		ctx, cancel := context.WithTimeout(t.Context(), 20*c.cfg.Probe)
		defer cancel()
		if err := c.watch(ctx, cn); ctx.Err() == nil {
			t.Errorf("a living server was left after %d echoes: %v", asked, err)
		}
		cn.close(context.Canceled)
		cn.wait()
		synctest.Wait()
		if asked < 9 {
			t.Errorf("asked %d times in 20 intervals of silence", asked)
		}
	})
}
