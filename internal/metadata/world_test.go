package metadata

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/telemetry"
)

const secret = "a secret & more"

// The sources of the guests of two tenants, which have the same address, as the switch gives them.
var (
	a4, b4 = netip.MustParseAddr("240.0.0.1"), netip.MustParseAddr("240.0.0.2")
	a6     = netip.MustParseAddr("fddf:0:0:1:a:b:c:d")
	nobody = netip.MustParseAddr("240.0.0.9")
)

// world is a service with guests and a Nova.
type world struct {
	t       *testing.T
	service *Service
	guests  *stack.Stack
	wire    *channel.Endpoint
	health  *telemetry.Health
	nova    *httptest.Server
	cable   *cable

	mu   sync.Mutex
	seen []*http.Request
	// answer is what Nova does with a request that it believes.
	answer http.HandlerFunc
}

// newWorld starts a service in front of a Nova that checks as Nova checks; further makes the options other.
func newWorld(t *testing.T, further ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, answer: func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "for "+r.Header.Get("X-Instance-ID"))
	}}
	w.nova = httptest.NewServer(http.HandlerFunc(w.check))
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	clients := NewDirectory()
	clients.Set(netip.PrefixFrom(a4, 32), Client{Port: "port-a", Device: "instance-a", Project: "project-a", Address: netip.MustParseAddr("10.0.0.1")})
	clients.Set(netip.PrefixFrom(b4, 32), Client{Port: "port-b", Device: "instance-b", Project: "project-b", Address: netip.MustParseAddr("10.0.0.1")})
	clients.Set(netip.MustParsePrefix("fddf:0:0:1::/64"), Client{Port: "port-a", Device: "instance-a", Project: "project-a", Address: netip.MustParseAddr("fe80::")})
	w.health, _ = telemetry.NewHealth(time.Now)
	o := Options{Device: "no-such-device", Nova: Nova{URL: w.nova.URL, SecretFile: file}, Clients: clients, Health: w.health, Log: slog.New(slog.DiscardHandler)}
	for _, f := range further {
		f(&o)
	}
	var err error
	if w.service, err = New(o); err != nil {
		t.Fatal(err)
	}
	w.boot()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() {
		if err := w.service.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	w.cable = w.plug()
	work.Go(func() { _ = w.service.stack.connect(ctx, w.cable) })
	t.Cleanup(func() {
		w.guests.Destroy()
		cancel()
		work.Wait()
		w.nova.CloseClientConnections()
		w.nova.Close()
	})
	return w
}

// boot makes the guests: one stack that has all of their sources.
func (w *world) boot() {
	w.wire = channel.New(1024, 1500, "")
	w.guests = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	if err := w.guests.CreateNIC(1, w.wire); err != nil {
		w.t.Fatal(err)
	}
	for _, a := range []netip.Addr{a4, b4, a6, nobody} {
		if err := w.guests.AddProtocolAddress(1, tcpip.ProtocolAddress{
			Protocol: protocolOf(a), AddressWithPrefix: tcpip.AddrFromSlice(a.AsSlice()).WithPrefix(),
		}, stack.AddressProperties{}); err != nil {
			w.t.Fatal(err)
		}
	}
	w.guests.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: 1}, {Destination: header.IPv6EmptySubnet, NIC: 1}})
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return ipv4.ProtocolNumber
	}
	return ipv6.ProtocolNumber
}

// cable is a device between the service and the guests.
type cable struct {
	w      *world
	v4, v6 chan []byte
	gone   chan struct{}
	once   sync.Once
	work   sync.WaitGroup
	end    context.CancelFunc
}

func (w *world) plug() *cable {
	c := &cable{w: w, v4: make(chan []byte, 64), v6: make(chan []byte, 64), gone: make(chan struct{})}
	ctx, end := context.WithCancel(context.Background())
	c.end = end
	c.work.Go(func() {
		for {
			p := w.wire.ReadContext(ctx)
			if p == nil {
				return
			}
			to := c.v4
			if p.NetworkProtocolNumber == ipv6.ProtocolNumber {
				to = c.v6
			}
			packet := bytes.Clone(p.ToView().AsSlice())
			p.DecRef()
			select {
			case to <- packet:
			case <-ctx.Done():
			}
		}
	})
	return c
}

func (c *cable) Receive(v6 bool, b []byte) (int, error) {
	from := c.v4
	if v6 {
		from = c.v6
	}
	select {
	case p := <-from:
		return copy(b, p), nil
	case <-c.gone:
		return 0, errGone
	}
}

func (c *cable) Send(v6 bool, packet []byte) error {
	p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
	defer p.DecRef()
	if v6 {
		c.w.wire.InjectInbound(ipv6.ProtocolNumber, p)
	} else {
		c.w.wire.InjectInbound(ipv4.ProtocolNumber, p)
	}
	return nil
}

func (c *cable) Close() error {
	c.once.Do(func() {
		c.end()
		close(c.gone)
		c.work.Wait()
	})
	return nil
}

// check is what Nova's metadata handler does with service_metadata_proxy set.
func (w *world) check(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.seen = append(w.seen, r.Clone(context.Background()))
	answer := w.answer
	w.mu.Unlock()
	instance, project, signature := r.Header.Get("X-Instance-ID"), r.Header.Get("X-Tenant-ID"), r.Header.Get("X-Instance-ID-Signature")
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(instance))
	switch {
	case r.Header.Get("X-Forwarded-For") == "" || instance == "" || project == "":
		http.Error(rw, "X-Instance-ID header is missing from request.", http.StatusBadRequest)
	case len(r.Header["X-Instance-Id"]) > 1 || len(r.Header["X-Tenant-Id"]) > 1 || len(r.Header["X-Instance-Id-Signature"]) > 1:
		http.Error(rw, "Multiple X-Instance-ID headers found within request.", http.StatusBadRequest)
	case !hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(signature)):
		http.Error(rw, "Invalid proxy request signature.", http.StatusForbidden)
	default:
		answer(rw, r)
	}
}

// answers has Nova do something else from now on.
func (w *world) answers(f http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

// last is what Nova was asked last.
func (w *world) last() *http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		w.t.Fatal("Nova was not asked")
	}
	return w.seen[len(w.seen)-1]
}

// dial connects a guest with the service.
func (w *world) dial(from netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	to := view.MetadataIPv4
	if from.Is6() {
		to = view.MetadataIPv6
	}
	return gonet.DialTCPWithBind(ctx, w.guests, tcpip.FullAddress{Addr: tcpip.AddrFromSlice(from.AsSlice())},
		tcpip.FullAddress{NIC: 1, Addr: tcpip.AddrFromSlice(to.AsSlice()), Port: view.MetadataTCPPort}, protocolOf(from))
}

// get asks as a guest, by a connection of its own, and returns the status and the body.
func (w *world) get(from netip.Addr, r *http.Request) (int, string) {
	w.t.Helper()
	code, body, err := w.try(from, r)
	if err != nil {
		w.t.Fatal(err)
	}
	return code, body
}

func (w *world) try(from netip.Addr, r *http.Request) (int, string, error) {
	conn, err := w.dial(from)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, "", err
	}
	r.Close = true
	go func() { _ = r.Write(conn) }() // the answer may come before all of it is written
	resp, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func ask(path string) *http.Request {
	return httptest.NewRequest(http.MethodGet, "http://169.254.169.254"+path, nil)
}
