package metadata

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/telemetry"
	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNovaIsToldWhoAsks(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		from                       netip.Addr
		instance, project, address string
	}{
		{a4, "instance-a", "project-a", "10.0.0.1"},
		{b4, "instance-b", "project-b", "10.0.0.1"},
		{a6, "instance-a", "project-a", "fe80::a:b:c:d"},
	} {
		code, body := w.get(c.from, ask("/openstack/latest/meta_data.json?a=b%2Fc"))
		if code != http.StatusOK || body != "for "+c.instance {
			t.Errorf("%s: %d %q", c.from, code, body)
		}
		r := w.last()
		if r.RequestURI != "/openstack/latest/meta_data.json?a=b%2Fc" || r.Header.Get("X-Tenant-ID") != c.project || r.Header.Get("X-Forwarded-For") != c.address {
			t.Errorf("%s: Nova hears %s %v", c.from, r.RequestURI, r.Header)
		}
	}
}

// TestPythonAgreesOnTheSignature has Nova's own language compute it.
func TestPythonAgreesOnTheSignature(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	const program = `import hashlib, hmac, sys; print(hmac.new(sys.argv[1].encode(), sys.argv[2].encode(), hashlib.sha256).hexdigest())`
	out, err := exec.Command(python, "-c", program, secret, "instance-a").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := (signer{[]byte(secret)}).sign("instance-a"); got != strings.TrimSpace(string(out)) {
		t.Errorf("signature %s, Python's %s", got, out)
	}
}

func TestAGuestCannotPretendToBeAnother(t *testing.T) {
	w := newWorld(t)
	r := ask("/")
	for _, name := range []string{
		"X-Instance-ID", "X-Instance-ID-Signature", "X-Tenant-ID", "X-Forwarded-For", "X-OVN-Network-ID", "X-Neutron-Network-ID",
		"X-Neutron-Router-ID", "X-Metadata-Provider", "X-Metadata-Provider-Signature", "Forwarded", "X-Anything", "Authorization", "Cookie", "x_instance_id",
	} {
		r.Header[name] = []string{"instance-b", "instance-c"}
	}
	r.Header.Set("Connection", "close, X-Instance-ID, X-Tenant-ID") // headers that a proxy has to take away
	r.Host = "instance-b"
	if code, body := w.get(a4, r); code != http.StatusOK || body != "for instance-a" {
		t.Fatalf("%d %q", code, body)
	}
	for name, values := range w.last().Header {
		if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "instance-b") || strings.Contains(v, "instance-c") }) {
			t.Errorf("Nova hears %s: %v", name, values)
		}
	}
	if got := w.last().Host; got == "instance-b" {
		t.Errorf("Nova hears of the host %s", got)
	}
}

func TestWhatIsAnsweredOfNovasAnswers(t *testing.T) {
	w := newWorld(t)
	for code, want := range map[int]int{
		200: 200, 400: 400, 403: 403, 404: 404, 409: 409, 500: 500, 502: 502, 503: 503, 504: 504,
		201: 500, 204: 500, 301: 500, 302: 500, 401: 500, 418: 500, 501: 500,
	} {
		w.answers(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(code) })
		if got, _ := w.get(a4, ask("/")); got != want {
			t.Errorf("Nova's %d becomes %d, not %d", code, got, want)
		}
	}
}

func TestWhoIsUnknownGetsNothing(t *testing.T) {
	w := newWorld(t)
	if conn, err := w.dial(nobody); err == nil {
		conn.Close()
		t.Error("a source of nobody's is connected")
	}
	w.service.o.Clients.Set(netip.PrefixFrom(nobody, 32), Client{Port: "port-n", Address: netip.MustParseAddr("10.0.0.9")})
	if code, _ := w.get(nobody, ask("/")); code != http.StatusNotFound {
		t.Errorf("a port without an instance gets %d", code)
	}
	w.service.o.Clients.Delete(netip.PrefixFrom(a4, 32))
	if conn, err := w.dial(a4); err == nil {
		conn.Close()
		t.Error("a port that was deleted is connected")
	}
	if len(w.seen) > 0 {
		t.Errorf("Nova hears of it: %v", w.seen)
	}
}

func TestHostileRequestsAreRefused(t *testing.T) {
	w := newWorld(t)
	w.answers(func(rw http.ResponseWriter, r *http.Request) { _, _ = io.Copy(rw, r.Body) })
	if code, body := w.get(a4, httptest.NewRequest(http.MethodPost, "http://169.254.169.254/openstack/latest/password", strings.NewReader("pw"))); code != 200 || body != "pw" {
		t.Errorf("a password: %d %q", code, body)
	}
	huge := ask("/")
	huge.Header.Set("X-Large", strings.Repeat("x", 64<<10))
	for name, c := range map[string]struct {
		r    *http.Request
		want int
	}{
		"a large body":   {httptest.NewRequest(http.MethodPost, "http://169.254.169.254/", strings.NewReader(strings.Repeat("x", maxBody+1))), http.StatusRequestEntityTooLarge},
		"a large header": {huge, http.StatusRequestHeaderFieldsTooLarge},
		"a tunnel":       {&http.Request{Method: http.MethodConnect, Host: "10.0.0.5:22", URL: ask("/").URL}, http.StatusMethodNotAllowed},
		"a deletion":     {httptest.NewRequest(http.MethodDelete, "http://169.254.169.254/", nil), http.StatusMethodNotAllowed},
	} {
		if code, _, err := w.try(a4, c.r); code != c.want {
			t.Errorf("%s: %d (%v), want %d", name, code, err, c.want)
		}
	}
	if code, _ := w.get(a4, ask("//other.example/../x")); code != 200 {
		t.Errorf("a strange path: %d", code)
	}
}

// TestASlowNovaHurtsOnlyWhoWaitsForIt has Nova hang for one guest.
func TestASlowNovaHurtsOnlyWhoWaitsForIt(t *testing.T) {
	w := newWorld(t)
	hang := make(chan struct{})
	w.answers(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Instance-ID") == "instance-a" {
			<-hang
		}
		_, _ = io.WriteString(rw, "well")
	})
	var work sync.WaitGroup
	codes := make(chan int, 3*guestRequests)
	for range 2 * guestRequests {
		work.Go(func() {
			code, _, err := w.try(a4, ask("/"))
			if err != nil {
				t.Error(err)
			}
			codes <- code
		})
	}
	// Those that have no turn are told so after a while, all others wait.
	for range guestRequests {
		if code := <-codes; code != http.StatusServiceUnavailable {
			t.Errorf("beyond its share a guest gets %d", code)
		}
	}
	began := time.Now()
	if code, body := w.get(b4, ask("/")); code != 200 || body != "well" {
		t.Errorf("the other guest gets %d %q", code, body)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the other guest waits %v", took)
	}
	close(hang)
	work.Wait()
	for range guestRequests {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("when Nova answers the guest gets %d", code)
		}
	}
}

func TestADeadNovaIsToldAtOnce(t *testing.T) {
	w := newWorld(t)
	w.nova.Close()
	began := time.Now()
	for range 20 {
		if code, _ := w.get(a4, ask("/")); code != http.StatusServiceUnavailable {
			t.Fatalf("got %d", code)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("20 refusals take %v", took)
	}
	if c := w.health.Conditions(); !slices.ContainsFunc(c, hasCode("nova-unreachable")) {
		t.Errorf("nobody is told: %v", c)
	}
}

func TestAWrongSecretIsShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *Options) { o.Nova.SecretFile = file })
	if code, _ := w.get(a4, ask("/")); code != http.StatusForbidden {
		t.Errorf("got %d", code)
	}
	if c := w.health.Conditions(); !slices.ContainsFunc(c, hasCode("nova-refuses")) {
		t.Errorf("nobody is told: %v", c)
	}
}

// TestAGuestHasItsShareOfConnections opens connections and says nothing on them.
func TestAGuestHasItsShareOfConnections(t *testing.T) {
	w := newWorld(t)
	for range guestConnections {
		conn, err := w.dial(a4)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if conn, err := w.dial(a4); err == nil {
		conn.Close()
		t.Error("a guest has more than its share")
	}
	if code, _ := w.get(b4, ask("/")); code != 200 {
		t.Errorf("the other guest gets %d", code)
	}
	// Connections on which nothing is said are ended.
	ctx, cancel := context.WithTimeout(context.Background(), 3*headerTime)
	defer cancel()
	for range guestConnections {
		if !w.service.stack.places.wait(ctx, "port-a") {
			t.Fatal("silent connections keep their places")
		}
	}
	for range guestConnections {
		w.service.stack.places.leave("port-a")
	}
}

// TestAFloodOfHandshakesHurtsNobody begins connections and never answers.
func TestAFloodOfHandshakesHurtsNobody(t *testing.T) {
	w := newWorld(t)
	hostile := netip.MustParseAddr("240.0.0.7") // the guests' stack, which would refuse what comes back, does not have it
	w.service.o.Clients.Set(netip.PrefixFrom(hostile, 32), Client{Port: "port-h", Device: "instance-h", Project: "p", Address: netip.MustParseAddr("10.0.0.7")})
	const ethernet = 14
	for n := range 5000 {
		w.cable.v4 <- packet.Build(packet.Ethernet("02:00:00:00:00:01", "02:00:00:00:00:02"), packet.IP(hostile, view.MetadataIPv4),
			packet.TCP(uint16(10000+n), 80, "S"))[ethernet:]
	}
	if code, _ := w.get(b4, ask("/")); code != 200 {
		t.Errorf("another guest gets %d", code)
	}
	taken := 0
	for w.service.stack.places.try("port-h") {
		taken++
	}
	for range taken {
		w.service.stack.places.leave("port-h")
	}
	if taken > 0 {
		t.Errorf("%d places are free after a flood: it was not counted", taken)
	}
}

// TestConnectionsOutliveTheDevice has the switch restart in the middle of a request.
func TestConnectionsOutliveTheDevice(t *testing.T) {
	w := newWorld(t)
	reached, goOn := make(chan struct{}), make(chan struct{})
	w.answers(func(rw http.ResponseWriter, _ *http.Request) {
		close(reached)
		<-goOn
		_, _ = io.WriteString(rw, "after all")
	})
	done := make(chan string)
	go func() {
		_, body, err := w.try(a4, ask("/"))
		if err != nil {
			t.Error(err)
		}
		done <- body
	}()
	<-reached
	_ = w.cable.Close()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = w.service.stack.connect(ctx, w.plug()) })
	close(goOn)
	if body := <-done; body != "after all" {
		t.Errorf("the answer is %q", body)
	}
	cancel()
	work.Wait()
}

func hasCode(code string) func(telemetry.Condition) bool {
	return func(c telemetry.Condition) bool { return c.Code == code }
}

func TestASecretThatOthersMayReadIsRefused(t *testing.T) {
	dir := t.TempDir()
	open, empty := filepath.Join(dir, "open"), filepath.Join(dir, "empty")
	if err := os.WriteFile(open, []byte("x"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{open, empty, filepath.Join(dir, "missing")} {
		if _, err := (Nova{SecretFile: file}).signer(); err == nil {
			t.Errorf("%s is taken", file)
		} else if strings.Contains(err.Error(), "x\n") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func TestAShareIsLeftForOthers(t *testing.T) {
	s := newShare(4, 16)
	taken := 0
	for _, guest := range []string{"a", "b", "c"} {
		for s.try(guest) {
			taken++
		}
	}
	// Two guests have four each, which is half; after that each guest gets one.
	if taken != 9 {
		t.Errorf("%d places taken, want 9", taken)
	}
	for i := range 7 {
		if !s.try(string(rune('d' + i))) {
			t.Errorf("guest %d finds no place", i)
		}
	}
	if s.try("z") {
		t.Error("more places than there are")
	}
	ctx, cancel := context.WithCancel(context.Background())
	got := make(chan bool)
	go func() { got <- s.wait(ctx, "z") }()
	s.leave("a")
	if !<-got {
		t.Error("a place became free, and nobody gets it")
	}
	cancel()
	if s.wait(ctx, "y") {
		t.Error("a place although there is none")
	}
}
