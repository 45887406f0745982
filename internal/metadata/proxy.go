package metadata

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/telemetry"
)

// The headers by which Nova is told whose a request is. They are the only ones that Nova gets: whatever a guest
// sends under these or other names is not passed on.
const (
	headerForwarded = "X-Forwarded-For"
	headerInstance  = "X-Instance-Id"
	headerProject   = "X-Tenant-Id"
	headerSignature = "X-Instance-Id-Signature"
)

// maxBody bounds what a guest may send, in bytes: at most a password, encrypted.
const maxBody = 64 << 10

// waitTime is how long a request waits for its turn.
const waitTime = 5 * time.Second

// proxy takes requests to Nova.
type proxy struct {
	clients *Directory
	signer  signer
	turns   *share
	reverse *httputil.ReverseProxy
	metrics *Metrics
	log     *slog.Logger
	away    *telemetry.Signal
	refused *telemetry.Signal
}

// asked is the key of the Client in a request's context.
type asked struct{}

func newProxy(o Options) (*proxy, error) {
	to, err := o.Nova.address()
	if err != nil {
		return nil, err
	}
	p := &proxy{clients: o.Clients, turns: newShare(guestRequests, allRequests), metrics: o.Metrics, log: o.Log}
	if p.signer, err = o.Nova.signer(); err != nil {
		return nil, err
	}
	transport, err := o.Nova.transport()
	if err != nil {
		return nil, err
	}
	p.away = o.Health.Register(telemetry.Warning{
		Code: "nova-unreachable", Severity: telemetry.Degraded, Title: "Guests get no metadata: Nova's metadata server does not answer.",
		Remedy: "See that it runs, and that metadata-nova-url names it.",
	})
	p.refused = o.Health.Register(telemetry.Warning{
		Code: "nova-refuses", Severity: telemetry.Degraded, Title: "Guests get no metadata: Nova refuses the signature of the requests.",
		Remedy: "Give Nova's metadata_proxy_shared_secret and metadata-secret-file the same secret.",
	})
	p.reverse = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = ""
			p.introduce(r.Out)
		},
		ModifyResponse: p.judge,
		ErrorHandler:   p.fail,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // it is about guests that went away
	}
	return p, nil
}

// introduce replaces all that the guest says of itself by what the chassis knows of it.
func (p *proxy) introduce(out *http.Request) {
	c := out.Context().Value(asked{}).(Client)
	content := out.Header.Values("Content-Type")
	out.Header = http.Header{
		headerForwarded: {c.Address.String()},
		headerInstance:  {c.Device},
		headerProject:   {c.Project},
		headerSignature: {p.signer.sign(c.Device)},
		"User-Agent":    {"dragonflow"},
	}
	if len(content) == 1 {
		out.Header["Content-Type"] = content
	}
}

// ServeHTTP answers a guest.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	s := &statusWriter{ResponseWriter: w, code: http.StatusOK}
	p.serve(s, r)
	p.metrics.answered(s.code, time.Since(began))
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request) {
	c, known := p.clients.Lookup(remote(r))
	switch {
	case !known || c.Device == "":
		http.Error(w, "no instance is known at this address", http.StatusNotFound)
		return
	case !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut}, r.Method):
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	case !strings.HasPrefix(r.URL.Path, "/"):
		http.Error(w, "not a path", http.StatusBadRequest)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	turn, cancel := context.WithTimeout(r.Context(), waitTime)
	ok := p.turns.wait(turn, c.Port)
	cancel()
	if !ok {
		p.metrics.refuse("requests")
		unavailable(w)
		return
	}
	defer p.turns.leave(c.Port)
	defer p.unwind(w)
	p.reverse.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), asked{}, c)))
}

// unwind ends what the ReverseProxy breaks off because the answer ended early; the guest sees the connection end.
func (p *proxy) unwind(w http.ResponseWriter) {
	if broken := recover(); broken != nil {
		if s, ok := w.(*statusWriter); ok {
			s.code = http.StatusBadGateway
		}
		panic(broken) // the server expects it and closes the connection
	}
}

// judge lets through what Neutron's own agents let through; everything else is an error of the server's.
func (p *proxy) judge(r *http.Response) error {
	p.away.Clear("nova")
	if r.StatusCode == http.StatusForbidden {
		p.refused.Raise("nova", "it answers 403 Forbidden")
	} else {
		p.refused.Clear("nova")
	}
	switch r.StatusCode {
	case http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return nil
	}
	return errUnexpected
}

var errUnexpected = errors.New("an answer that means nothing for metadata")

// fail tells the guest that there is no answer.
func (p *proxy) fail(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	var netErr net.Error
	var op *net.OpError
	switch {
	case errors.Is(err, errUnexpected):
		http.Error(w, "the metadata server failed", http.StatusInternalServerError)
	case errors.As(err, &tooLarge):
		http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
	case r.Context().Err() != nil:
		w.WriteHeader(http.StatusBadGateway) // nobody reads it
	case errors.As(err, &op) && op.Op == "dial":
		p.away.Raise("nova", err.Error())
		unavailable(w)
	case errors.As(err, &netErr) && netErr.Timeout():
		p.away.Raise("nova", err.Error())
		http.Error(w, "the metadata server does not answer", http.StatusGatewayTimeout)
	default:
		p.away.Raise("nova", err.Error())
		http.Error(w, "the metadata server does not answer", http.StatusBadGateway)
	}
}

func unavailable(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, "the metadata server cannot be reached", http.StatusServiceUnavailable)
}

// remote is the source of a request's connection.
func remote(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return a.Addr().Unmap()
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (s *statusWriter) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach what is wrapped.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
