package etcd

import (
	"context"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// link knows whether the connection to the cluster is up. etcd's client reconnects by itself but says
// nothing about it; watches must.
type link struct {
	ctx  context.Context
	conn *grpc.ClientConn // nil in this process: always up

	mu sync.Mutex
	// session ends when the connection that is up is lost; it has ended while none is.
	session context.Context
	end     context.CancelFunc
	// changed is closed when the session changes.
	changed chan struct{}
}

func newLink(ctx context.Context, client *clientv3.Client) *link {
	l := &link{ctx: ctx, conn: client.ActiveConnection(), changed: make(chan struct{})}
	l.session, l.end = context.WithCancel(ctx)
	if l.conn != nil {
		l.end()
	}
	return l
}

// run follows the state of the connection.
func (l *link) run() {
	if l.conn == nil {
		<-l.ctx.Done()
		l.end()
		return
	}
	for l.ctx.Err() == nil {
		state := l.conn.GetState()
		if state == connectivity.Idle {
			l.conn.Connect()
		}
		l.set(state == connectivity.Ready)
		l.conn.WaitForStateChange(l.ctx, state)
		if state == connectivity.Ready {
			l.set(false) // also if it is ready again already
		}
	}
	l.set(false)
}

func (l *link) set(up bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if up == (l.session.Err() == nil) {
		return
	}
	l.end()
	if up {
		l.session, l.end = context.WithCancel(l.ctx)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// now returns the session, and what is closed when there is another.
func (l *link) now() (context.Context, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session, l.changed
}

// wait waits for a session that is up and returns it, or nil when ctx ends.
func (l *link) wait(ctx context.Context) context.Context {
	for {
		session, changed := l.now()
		if session.Err() == nil {
			return session
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}
