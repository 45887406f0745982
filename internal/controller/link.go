package controller

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
	"github.com/dragonflow/dragonflow/internal/vswitch/reconcile"
)

// link is the goroutine that talks to the switch: the one writer. It carries out one job at a time and
// reconnects by itself. Packets of guests come on a connection of their own, so that they cannot delay
// flow changes.
type link struct {
	path    string
	log     *slog.Logger
	metrics *Metrics
	jobs    chan *job
	events  chan linkEvent
	packets chan openflow.PacketIn
	out     chan app.PacketOut
	queries chan query
}

// job is one piece of work for the switch.
type job struct {
	// sync, if set, is all that the switch shall have; else change is applied.
	sync   *reconcile.State
	mode   reconcile.Mode
	change reconcile.Change
	// flush lists conntrack zones to empty before the flows that use them come.
	flush []uint16
	// complete says that the view was, when the job was made.
	complete bool
	// audit says that a sync is expected to find nothing to do.
	audit bool
	// announce is told once the switch has what the job brought.
	announce []announcement
	// done hears in the loop whether the switch has what the job brought.
	done func(c *Controller, ok bool)
}

// linkEvent tells the loop that the connection came or went, or how a job ended.
type linkEvent struct {
	connected, lost bool
	// marker is what the switch had recorded of the snapshot when it was connected.
	marker  uint64
	job     *job
	outcome reconcile.Outcome
	err     error
}

// query is a question that needs the flow connection, such as a dump with counters.
type query struct {
	ask  func(context.Context, *openflow.Conn) error
	done chan error
}

func newLink(o Options, log *slog.Logger) *link {
	path := o.Mgmt
	if path == "" {
		path = filepath.Join(filepath.Dir(strings.TrimPrefix(o.OVSDB, "unix:")), o.Bridge+".mgmt")
	}
	return &link{
		path: path, log: log, metrics: o.Metrics, jobs: make(chan *job, 1), events: make(chan linkEvent),
		packets: make(chan openflow.PacketIn, 256), out: make(chan app.PacketOut, 1024), queries: make(chan query),
	}
}

const (
	firstRedial   = 20 * time.Millisecond
	longestRedial = 2 * time.Second
	dialTimeout   = 5 * time.Second
	// absentRedial is the pause while nobody listens: to ask a socket of this machine costs some microseconds, and
	// guests wait for the switch that starts again.
	absentRedial = 50 * time.Millisecond
)

func (l *link) run(ctx context.Context) {
	pause := firstRedial
	for ctx.Err() == nil {
		began := time.Now()
		err := l.session(ctx)
		l.tell(ctx, linkEvent{lost: true, err: err})
		if time.Since(began) > longestRedial {
			pause = firstRedial
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, longestRedial)
		if absent(err) {
			pause = min(pause, absentRedial)
		}
	}
}

// absent tells whether there was nobody to talk to.
func absent(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// session is one life of the connections.
func (l *link) session(ctx context.Context) error {
	dial, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	flows, err := openflow.Dial(dial, l.path, openflow.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = flows.Close() }() // the session ended for another reason already
	punts, err := openflow.Dial(dial, l.path, openflow.Options{PacketIns: 512, ControllerID: pipeline.ControllerID})
	if err != nil {
		return err
	}
	defer func() { _ = punts.Close() }() // likewise
	cancel()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	work.Go(func() { l.carryPackets(ctx, punts) })
	l.drain()
	writer := reconcile.New(reconcile.OpenFlow{Conn: flows}, reconcile.Options{
		Mark: pipeline.CookieMark, Mask: pipeline.CookieMask,
		MaxMeter: pipeline.MeterNumbers.Max, MaxGroup: pipeline.GroupNumbers.Max,
	})
	seq, err := readMarker(ctx, flows)
	if err != nil {
		return err
	}
	if !l.tell(ctx, linkEvent{connected: true, marker: seq}) {
		return ctx.Err()
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-flows.Done():
			return flows.Err()
		case <-punts.Done():
			return punts.Err()
		case q := <-l.queries:
			q.done <- q.ask(ctx, flows)
		case j := <-l.jobs:
			outcome, err := l.carryOut(ctx, flows, writer, j)
			if !l.tell(ctx, linkEvent{job: j, outcome: outcome, err: err}) {
				return ctx.Err()
			}
		}
	}
}

func readMarker(ctx context.Context, conn *openflow.Conn) (uint64, error) {
	for st, err := range conn.Flows(ctx, openflow.Filter{OneTable: true, Table: pipeline.Marker.Table()}) {
		if err != nil {
			return 0, fmt.Errorf("read the marker: %w", err)
		}
		if seq, ok := markerSeq(st.Flow); ok {
			return seq, nil
		}
	}
	return 0, nil
}

// drain drops a job for the connection before: the loop starts again with a sync.
func (l *link) drain() {
	select {
	case <-l.jobs:
	default:
	}
}

func (l *link) tell(ctx context.Context, e linkEvent) bool {
	select {
	case l.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *link) carryOut(ctx context.Context, conn *openflow.Conn, w *reconcile.Writer, j *job) (reconcile.Outcome, error) {
	for _, z := range j.flush {
		if err := conn.FlushZone(ctx, z); err != nil {
			return reconcile.Outcome{}, err
		}
	}
	if j.sync != nil {
		return w.Sync(ctx, *j.sync, j.mode)
	}
	return w.Apply(ctx, j.change)
}

// carryPackets brings packets of guests to the loop and answers to the switch.
func (l *link) carryPackets(ctx context.Context, conn *openflow.Conn) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-conn.Done():
			return
		case p := <-conn.PacketIns():
			select {
			case l.packets <- p:
			default: // the loop is behind by a whole queue; the guest will ask again
				l.metrics.packetDropped()
			}
		case p := <-l.out:
			err := conn.PacketOut(ctx, openflow.PacketOut{Actions: p.Actions(), Data: p.Data})
			if err != nil && !errors.Is(err, context.Canceled) {
				l.log.Warn("packet not sent", "ofport", p.OFPort, "err", err)
			}
		}
	}
}

// send queues a packet for the switch; what does not fit is dropped, as a full wire would.
func (l *link) send(p app.PacketOut) {
	select {
	case l.out <- p:
	default:
		l.metrics.packetDropped()
	}
}
