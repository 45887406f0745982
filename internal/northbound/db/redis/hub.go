package redis

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

const (
	// silence is how long the subscription may be silent before it is tested, and then before it is
	// given up.
	silence = 5 * time.Second
	// auditInterval is how often the revisions of all watched scopes are compared.
	auditInterval = 30 * time.Second
	// auditBatch is how many are asked for at once.
	auditBatch = 500
)

// hub is the one subscription of a connection; it passes messages on to the watches of their channel.
type hub struct {
	d *driver

	mu sync.Mutex
	// sub is the subscription in use, nil while there is none.
	sub     *redis.PubSub
	watches map[string]map[*watch]struct{} // by channel
	// pending has every channel whose subscription was asked for: true until it is confirmed.
	pending map[string]bool
	// runID is the server's, which changes when it restarts and may have lost something.
	runID string
}

func newHub(d *driver) *hub { return &hub{d: d, watches: map[string]map[*watch]struct{}{}} }

// join begins to pass messages of a watch's scope to it.
func (h *hub) join(w *watch) {
	h.mu.Lock()
	if h.watches[w.channel] == nil {
		h.watches[w.channel] = map[*watch]struct{}{}
	}
	h.watches[w.channel][w] = struct{}{}
	pending, asked := h.pending[w.channel]
	sub := h.sub
	switch {
	case sub == nil || pending:
		sub = nil // the confirmation comes by itself
	case asked:
		w.inbox.add(note{kind: linkUp})
		sub = nil
	default:
		h.pending[w.channel] = true
	}
	h.mu.Unlock()
	if sub != nil {
		_ = sub.Subscribe(h.d.ctx, w.channel) // if it fails, so does the next receive
	}
}

func (h *hub) leave(w *watch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.watches[w.channel], w)
	if len(h.watches[w.channel]) > 0 {
		return
	}
	delete(h.watches, w.channel)
	if h.sub == nil || h.d.ctx.Err() != nil {
		return
	}
	// While a confirmation is under way it must still be known, so the subscription stays for now.
	if !h.pending[w.channel] {
		delete(h.pending, w.channel)
		_ = h.sub.Unsubscribe(h.d.ctx, w.channel)
	}
}

// confirm notes that a channel is subscribed to, and reports whether that was asked for: if not, the
// client has reconnected by itself and may have lost messages.
func (h *hub) confirm(channel string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.pending[channel] {
		return false
	}
	h.pending[channel] = false
	if len(h.watches[channel]) == 0 { // all have left meanwhile
		delete(h.pending, channel)
		_ = h.sub.Unsubscribe(h.d.ctx, channel)
	}
	for w := range h.watches[channel] {
		w.inbox.add(note{kind: linkUp})
	}
	return true
}

// run keeps a subscription for as long as the connection is open.
func (h *hub) run() {
	for h.d.ctx.Err() == nil {
		h.session()
		h.mu.Lock()
		h.sub = nil
		h.mu.Unlock()
		h.tell(note{kind: linkDown})
		pause(h.d.ctx, 50*time.Millisecond+rand.N(500*time.Millisecond))
	}
}

// session subscribes to everything and receives until something is wrong.
func (h *hub) session() {
	ctx, cancel := context.WithCancel(h.d.ctx)
	defer cancel()
	if !h.greet(ctx) {
		return
	}
	sub := h.d.client.Subscribe(ctx)
	defer sub.Close()
	defer context.AfterFunc(ctx, func() { sub.Close() })()
	h.mu.Lock()
	h.sub, h.pending = sub, map[string]bool{}
	var channels []string
	for c := range h.watches {
		channels = append(channels, c)
		h.pending[c] = true
	}
	h.mu.Unlock()
	for piece := range slices.Chunk(channels, auditBatch) {
		if sub.Subscribe(ctx, piece...) != nil {
			return
		}
	}
	audit := time.NewTicker(auditInterval/2 + rand.N(auditInterval))
	defer audit.Stop()
	h.receive(ctx, sub, audit.C)
}

// greet asks the server who it is, and tells the watches if it is not the one they know.
func (h *hub) greet(ctx context.Context) bool {
	var info string
	err := h.d.await(ctx, func(ctx context.Context) (err error) {
		info, err = h.d.client.Info(ctx, "server").Result()
		return err
	})
	if err != nil {
		return false
	}
	_, id, _ := strings.Cut(info, "run_id:")
	id, _, _ = strings.Cut(id, "\r\n")
	if h.runID != "" && h.runID != id {
		h.tell(note{kind: distrust})
	}
	h.runID = id
	return true
}

// receive passes on what comes until the server is silent for too long.
func (h *hub) receive(ctx context.Context, sub *redis.PubSub, audit <-chan time.Time) {
	tested := false
	for ctx.Err() == nil {
		select {
		case <-audit:
			h.d.spawn(func() { h.audit(ctx) })
		default:
		}
		msg, err := sub.ReceiveTimeout(ctx, silence)
		var network net.Error
		if errors.As(err, &network) && network.Timeout() && !tested {
			tested = true
			err = sub.Ping(ctx)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return
		}
		tested = false
		switch m := msg.(type) {
		case *redis.Subscription:
			if m.Kind == "subscribe" && !h.confirm(m.Channel) {
				return
			}
		case *redis.Message:
			h.tellChannel(m.Channel, note{kind: published, payload: m.Payload})
		}
	}
}

func (h *hub) tell(n note) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ws := range h.watches {
		for w := range ws {
			w.inbox.add(n)
		}
	}
}

func (h *hub) tellChannel(channel string, n note) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watches[channel] {
		w.inbox.add(n)
	}
}

// audit tells every watch the revision that its scope has.
func (h *hub) audit(ctx context.Context) {
	h.mu.Lock()
	var channels []string
	for c := range h.watches {
		channels = append(channels, c)
	}
	h.mu.Unlock()
	for piece := range slices.Chunk(channels, auditBatch) {
		keys := make([]string, len(piece))
		for i, c := range piece {
			keys[i] = c + ":r"
		}
		var revs []any
		err := h.d.await(ctx, func(ctx context.Context) (err error) {
			revs, err = h.d.client.MGet(ctx, keys...).Result()
			return err
		})
		if err != nil {
			return
		}
		for i, c := range piece {
			s, _ := revs[i].(string)
			n, _ := strconv.ParseInt(s, 10, 64)
			h.tellChannel(c, note{kind: audited, rev: db.Revision(n)})
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
