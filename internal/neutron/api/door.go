package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
)

// Access says where the API listens and who may call it. Since every caller is admin, an address that
// others than this host can reach needs TLS, and a client certificate or a token beside it.
type Access struct {
	// Listen is host:port or unix:/path.
	Listen string
	// Cert and Key are PEM files with the server's certificate, which make it speak TLS.
	Cert, Key string
	// ClientCA is a PEM file with the authorities that vouch for clients; then they need a certificate.
	ClientCA string
	// TokenFile holds a token that callers send as X-Auth-Token (the openstack client does with
	// --os-auth-type admin_token --os-token).
	TokenFile string
	// Group, if not empty, may use the Unix socket too; else only who has made it.
	Group string
	// Mutual refuses, beside Unix sockets, every address without TLS and client certificates.
	Mutual bool
}

// Bounds of the HTTP server.
const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	grace         = 5 * time.Second
	minToken      = 16
)

// Door is an open listener of the API.
type Door struct {
	listener net.Listener
	http     *http.Server
}

// Open listens as a says, or says why it must not. The caller serves or closes the door.
func (s *Server) Open(a Access) (*Door, error) {
	handler := s.Handler()
	if a.TokenFile != "" {
		token, err := readToken(a.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("open the API: %w", err)
		}
		handler = s.withToken(token, handler)
	}
	door, err := OpenDoor(a, handler, s.opts.RequestTimeout)
	if err != nil {
		return nil, fmt.Errorf("open the API: %w", err)
	}
	return door, nil
}

// OpenDoor listens as a says, for requests that take at most this long, or says why it must not. Who may come is a's
// business, but for the token, which is the handler's.
func OpenDoor(a Access, handler http.Handler, longest time.Duration) (*Door, error) {
	tlsConfig, err := a.tls()
	if err != nil {
		return nil, err
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	listener, err := a.listen()
	if err != nil {
		return nil, err
	}
	if tlsConfig != nil {
		listener = tls.NewListener(listener, tlsConfig)
	}
	return &Door{listener: listener, http: &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout,
		WriteTimeout: bodyTimeout + longest, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
	}}, nil
}

// check refuses to serve strangers without knowing them.
func (a Access) check() error {
	if strings.HasPrefix(a.Listen, "unix:") {
		return nil
	}
	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil {
		return err
	}
	if a.Mutual && (a.Cert == "" || a.ClientCA == "") {
		return fmt.Errorf("%s needs a certificate, and client certificates: only unix:/path needs none", a.Listen)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	if a.Cert == "" || a.ClientCA == "" && a.TokenFile == "" {
		return fmt.Errorf("%s can be reached by others, and whoever reaches the API is admin: it needs a certificate "+
			"(api-cert, api-key) and client certificates (api-client-ca) or a token (api-token-file); 127.0.0.1, [::1] "+
			"and unix:/path need none", a.Listen)
	}
	return nil
}

func (a Access) listen() (net.Listener, error) {
	path, isUnix := strings.CutPrefix(a.Listen, "unix:")
	if !isUnix {
		return net.Listen("tcp", a.Listen)
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := a.share(path); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// share lets only those use the socket who may.
func (a Access) share(path string) error {
	if a.Group == "" {
		return os.Chmod(path, 0o600)
	}
	group, err := user.LookupGroup(a.Group)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(group.Gid)
	if err != nil {
		return fmt.Errorf("group %s: %w", a.Group, err)
	}
	return errors.Join(os.Chown(path, -1, gid), os.Chmod(path, 0o660))
}

// removeStale removes a socket that a killed process has left, but not one that somebody serves, nor
// anything else.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s is there and is no socket", path)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(fmt.Errorf("somebody serves %s already", path), conn.Close())
	}
	return os.Remove(path)
}

func (a Access) tls() (*tls.Config, error) {
	if (a.Cert == "") != (a.Key == "") {
		return nil, errors.New("api-cert and api-key must be given together")
	}
	if a.Cert == "" {
		if a.ClientCA != "" {
			return nil, errors.New("api-client-ca needs api-cert and api-key")
		}
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(a.Cert, a.Key)
	if err != nil {
		return nil, fmt.Errorf("the server's certificate: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"}}
	if a.ClientCA != "" {
		pem, err := os.ReadFile(a.ClientCA)
		if err != nil {
			return nil, fmt.Errorf("the clients' authorities: %w", err)
		}
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("the clients' authorities: no certificate in %s", a.ClientCA)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

func readToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("the token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if len(token) < minToken {
		return "", fmt.Errorf("the token in %s is too short: at least %d characters", path, minToken)
	}
	return token, nil
}

// withToken serves only who has the token; what versions there are may be asked by everybody, as clients
// do before they authenticate.
func (s *Server) withToken(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	refuse := s.withRequestID(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, &resource.Error{Status: http.StatusUnauthorized, Type: "HTTPUnauthorized",
			Message: "This server could not verify that you are authorized to access the document you requested."})
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("X-Auth-Token")))
		if r.URL.Path == "/" || subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			next.ServeHTTP(w, r)
			return
		}
		refuse.ServeHTTP(w, r)
	})
}

// Address is where the door is.
func (d *Door) Address() net.Addr { return d.listener.Addr() }

// OnEnd has a function called when Serve ends, to let those go who wait for something.
func (d *Door) OnEnd(f func()) { d.http.RegisterOnShutdown(f) }

// Close closes a door that is not served.
func (d *Door) Close() error { return d.listener.Close() }

// Serve answers requests until ctx ends, then lets those under way finish for a few seconds.
func (d *Door) Serve(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- d.http.Serve(d.listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the API: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := d.http.Shutdown(end); err != nil {
		return errors.Join(fmt.Errorf("end the API: %w", err), d.http.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the API: %w", err)
	}
	return nil
}
