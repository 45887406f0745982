// Package metadata is the service behind 169.254.169.254 and fe80::a9fe:a9fe: it takes the requests of this
// chassis' guests to Nova's metadata server, with the headers and the signature by which Nova knows whose they are.
//
// The switch gives each address of each guest a source of its own, and puts the packets out of a port whose device
// the [Service] reads. It has a network stack of its own (gVisor's) with just the two addresses: the host's has none
// of them, and its routes, rp_filter and firewall do not matter. Who asks is told by the source alone, from the view
// of the chassis; so it works while the database is down. Everything a guest sends is hostile: its connections,
// requests, sizes and times are bounded, so that it can use up its own share and no more.
package metadata

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/telemetry"
)

// Options say where things are.
type Options struct {
	// Device is the network device of the port to which the switch sends the requests. It may come and go.
	Device string
	// Nova is the metadata server.
	Nova Nova
	// Clients tells who asks.
	Clients *Directory
	Health  *telemetry.Health
	Metrics *Metrics
	Log     *slog.Logger
}

// Service is the service of one chassis.
type Service struct {
	o        Options
	stack    *netstack
	server   *http.Server
	unserved *telemetry.Signal
}

// What one guest may have at a time, and all of them together. As long as half of it is free a guest may have its
// full share, then one: so none can use up what is there for all.
const (
	guestConnections, allConnections = 16, 4096
	guestRequests, allRequests       = 4, 128
)

// The times that a guest gets. A request that is sent slower, or an answer that is read slower, is given up.
const (
	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = time.Minute
	idleTime   = 10 * time.Second
)

// maxHeader bounds the header of a request, in bytes.
const maxHeader = 16 << 10

// New prepares a service. It opens no device yet.
func New(o Options) (*Service, error) {
	proxy, err := newProxy(o)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	s := &Service{o: o, unserved: o.Health.Register(telemetry.Warning{
		Code: "metadata-unserved", Severity: telemetry.Degraded, After: 10 * time.Second,
		Title:  "Guests get no metadata: the device of the service cannot be used.",
		Remedy: "See that the controller runs in the network namespace of ovs-vswitchd, with CAP_NET_ADMIN and CAP_NET_RAW.",
	})}
	if s.stack, err = newNetstack(o.Clients, o.Metrics); err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	s.server = &http.Server{
		Handler: proxy, ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // it is about what guests do
	}
	return s, nil
}

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer s.stack.Close()
	defer s.server.Close()
	defer cancel()
	work.Go(func() { s.attend(ctx) })
	ended := make(chan error, 1)
	work.Go(func() { ended <- s.server.Serve(s.stack) })
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return fmt.Errorf("metadata: %w", err)
	}
}

// The pauses between attempts to open the device.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

// attend keeps the device connected with the stack: it comes with the first flows, and goes when the switch restarts.
func (s *Service) attend(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		d, err := openDevice(s.o.Device)
		if err == nil {
			pause = firstPause
			s.unserved.Clear(s.o.Device)
			err = s.stack.connect(ctx, d)
		}
		if ctx.Err() != nil {
			return
		}
		if err != nil && !errors.Is(err, errGone) {
			s.o.Log.Debug("no metadata device", "device", s.o.Device, "err", err)
		}
		s.unserved.Raise(s.o.Device, fmt.Sprint(err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, longestPause)
	}
}
