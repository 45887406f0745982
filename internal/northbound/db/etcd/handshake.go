package etcd

import (
	"context"
	"crypto/tls"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// handshakes remembers why the last TLS handshake failed: gRPC tries again and again, and a call that
// waits for it ends without saying what is wrong with which certificate.
type handshakes struct {
	mu   sync.Mutex
	last error
}

func (h *handshakes) note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = err
}

// reason returns the error of the last handshake, nil if that succeeded or if there was none.
func (h *handshakes) reason() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}

// option makes a client's connections use the TLS configuration and report here.
func (h *handshakes) option(cfg *tls.Config) grpc.DialOption {
	return grpc.WithTransportCredentials(&reporting{credentials.NewTLS(cfg), h})
}

// reporting is TLS that reports how handshakes end.
type reporting struct {
	credentials.TransportCredentials
	to *handshakes
}

// ClientHandshake implements [credentials.TransportCredentials].
func (r *reporting) ClientHandshake(ctx context.Context, authority string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := r.TransportCredentials.ClientHandshake(ctx, authority, c)
	r.to.note(err)
	return conn, info, err
}

// Clone implements [credentials.TransportCredentials].
func (r *reporting) Clone() credentials.TransportCredentials {
	return &reporting{r.TransportCredentials.Clone(), r.to}
}
