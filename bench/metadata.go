package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

const (
	metadataNetworks = 100
	// metadataAtOnce is how many guests ask at a time.
	metadataAtOnce = 8
	metadataSecret = "benchmark"
	metadataBody   = 1024
)

// metadataSide is one of the two that are compared: guests on networks of their own, and who serves them.
type metadataSide struct {
	name    string
	host    *lab.Namespace
	sw      *private.Switch
	guests  []*lab.Guest
	servers []*child
}

// metadataRequests has guests on 100 networks ask for metadata as a boot does, a connection each: of us, and of an
// HAProxy for each network, as Neutron runs them. Neutron's agent behind them, which asks Nova, is left out, which is
// for their good; so is what makes each of their networks.
func metadataRequests(ctx context.Context, r *run) error {
	t := newTable(fmt.Sprintf("metadata, %d networks, %d guests at once", metadataNetworks, metadataAtOnce), "processes", "requests/s", "p50", "p99",
		"server CPU a request", "vswitchd CPU", "memory", "failed", "budget")
	for _, make := range []func(context.Context, *run) (*metadataSide, error){dragonflowMetadata, haproxyMetadata} {
		s, err := make(ctx, r)
		if err != nil {
			return err
		}
		if err := s.measure(t, r); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r.close()
	}
	r.print(t)
	return nil
}

// metadataHost makes a hypervisor with guests that have a route to everybody on their link.
func metadataHost(ctx context.Context, r *run, name string) (*metadataSide, error) {
	ns, err := lab.NewNamespace("metadata")
	if err != nil {
		return nil, err
	}
	r.atEnd(func() { _ = ns.Close() })
	if err := runIn(ctx, ns, "ip", "link", "set", "lo", "up"); err != nil {
		return nil, err
	}
	s := &metadataSide{name: name, host: ns}
	if s.sw, err = r.vswitch(ctx, private.Config{Datapath: private.Userspace, Netns: ns.Path()}); err != nil {
		return nil, err
	}
	if err := s.sw.AddBridge(ctx, "br-int"); err != nil {
		return nil, err
	}
	for i := range metadataNetworks {
		n := firstGuest + i
		g, err := s.machine(ctx, r, fmt.Sprint("g", i), net.HardwareAddr(slices.Clone(macBytes(n))), netip.PrefixFrom(address4(n), 32))
		if err != nil {
			return nil, err
		}
		s.guests = append(s.guests, g)
	}
	return s, nil
}

func macBytes(n int) []byte {
	m := mac(n)
	return m[:]
}

// machine is a namespace with an address and a wire to the switch.
func (s *metadataSide) machine(ctx context.Context, r *run, name string, hw net.HardwareAddr, a netip.Prefix) (*lab.Guest, error) {
	g, err := lab.NewGuest(s.host, lab.Spec{Name: name, Port: name, MAC: hw, MTU: 1450, NoDAD: true})
	if err != nil {
		return nil, err
	}
	r.atEnd(func() { _ = g.Close() })
	if err := g.AddAddress(a); err != nil {
		return nil, err
	}
	return g, runIn(ctx, g.Namespace, "ip", "route", "add", "default", "dev", lab.Interface)
}

// nova answers everybody.
func novaHandler() http.Handler {
	body := make([]byte, metadataBody)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(body) }) // the guest may be gone
}

func dragonflowMetadata(ctx context.Context, r *run) (*metadataSide, error) {
	s, err := metadataHost(ctx, r, "dragonflow standalone: API, database, controller")
	if err != nil {
		return nil, err
	}
	l, err := s.host.Listen(ctx, "tcp", "127.0.0.1:8775")
	if err != nil {
		return nil, err
	}
	r.serve(l)
	err = plugAll(ctx, s.sw, "br-int", metadataNetworks, func(i int) string { return fmt.Sprint("g", i) },
		func(i int) []string { return []string{"external_ids:iface-id=" + uuid(aPort, firstGuest+i)} })
	if err != nil {
		return nil, err
	}
	dir, err := r.folder()
	if err != nil {
		return nil, err
	}
	url, secret := "embedded://"+dir+"/db", filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte(metadataSecret), 0o600); err != nil {
		return nil, err
	}
	conn, err := openDatabase(ctx, url)
	if err != nil {
		return nil, err
	}
	for n := range metadataNetworks {
		p, more := port(firstGuest+n, n, uuid(aGroup, n))
		p.DeviceID, p.ProjectID = uuid(aPort, n), "project"
		objects := append(append(network(n), defaultGroup(n)...), append(more, binding(p))...)
		if err := write(ctx, northbound.NewStore(conn), objects); err != nil {
			return nil, err
		}
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	c, err := r.start("nsenter", "--net="+s.host.Path(), r.binary, "standalone", "--config", os.DevNull, "--metrics-listen", "off", "--log-level", "warn",
		"--db", url, "--api-listen", "unix:"+dir+"/api", "--chassis", host, "--ovsdb", "unix:"+s.sw.OVSDB(), "--datapath-type", "netdev",
		"--state-dir", dir, "--metadata-nova-url", "http://127.0.0.1:8775", "--metadata-secret-file", secret)
	if err != nil {
		return nil, err
	}
	s.servers = []*child{c}
	return s, s.ready(ctx)
}

// serve has a Nova behind a listener until the end of the experiment.
func (r *run) serve(l net.Listener) {
	server := &http.Server{Handler: novaHandler()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // it ends when it is closed
	}()
	r.atEnd(func() { _ = server.Close(); <-ended })
}

// haproxyMetadata starts an HAProxy for each network with the settings of Neutron's agent, in a namespace of its own.
func haproxyMetadata(ctx context.Context, r *run) (*metadataSide, error) {
	s, err := metadataHost(ctx, r, "haproxy, a process a network")
	if err != nil {
		return nil, err
	}
	dir, err := r.folder()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", filepath.Join(dir, "nova"))
	if err != nil {
		return nil, err
	}
	r.serve(l)
	flows := ""
	for i := range metadataNetworks {
		name := fmt.Sprint("m", i)
		m, err := s.machine(ctx, r, name, net.HardwareAddr{0xfa, 0x16, 0x3f, 0, 0, byte(i)}, netip.PrefixFrom(view.MetadataIPv4, 32))
		if err != nil {
			return nil, err
		}
		settings := filepath.Join(dir, name)
		if err := os.WriteFile(settings, []byte(haproxySettings(filepath.Join(dir, "nova"), i)), 0o600); err != nil {
			return nil, err
		}
		c, err := r.start("nsenter", "--net="+m.Path(), "haproxy", "-db", "-f", settings)
		if err != nil {
			return nil, err
		}
		s.servers = append(s.servers, c)
		flows += fmt.Sprintf("in_port=%d,actions=output:%d\nin_port=%d,actions=output:%d\n", i+1, metadataNetworks+i+1, metadataNetworks+i+1, i+1)
	}
	err = plugAll(ctx, s.sw, "br-int", 2*metadataNetworks, func(i int) string {
		return fmt.Sprint([]string{"g", "m"}[i/metadataNetworks], i%metadataNetworks)
	}, func(i int) []string { return []string{fmt.Sprint("ofport_request=", i+1)} })
	if err != nil {
		return nil, err
	}
	if err := addFlows(ctx, s.sw, dir, flows); err != nil {
		return nil, err
	}
	return s, s.ready(ctx)
}

// haproxySettings are those of Neutron's agents for OVN, without daemon and log.
func haproxySettings(agent string, network int) string {
	return fmt.Sprintf(`global
    maxconn 1024
defaults
    mode http
    option http-server-close
    option forwardfor
    retries 3
    timeout http-request 30s
    timeout connect 30s
    timeout client 32s
    timeout server 32s
    timeout http-keep-alive 30s
listen listener
    bind %s:80
    server metadata %s
    http-request del-header X-OVN-Network-ID
    http-request set-header X-OVN-Network-ID %s
`, view.MetadataIPv4, agent, uuid(aNetwork, network))
}

// get asks as a guest, by a connection of its own.
func (s *metadataSide) get(ctx context.Context, guest int) error {
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return s.guests[guest].Dial(ctx, network, address)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+view.MetadataIPv4.String()+"/openstack/latest/meta_data.json", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }() // read
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || n != metadataBody) {
		err = fmt.Errorf("%s with %d bytes", response.Status, n)
	}
	return err
}

// ready waits until every guest is served.
func (s *metadataSide) ready(ctx context.Context) error {
	for i := range s.guests {
		var last error
		if err := s.servers[i%len(s.servers)].until(ctx, s.name, func() bool { last = s.get(ctx, i); return last == nil }); err != nil {
			return fmt.Errorf("%w: %w", err, last)
		}
	}
	return nil
}

// cpu is what the servers have used.
func (s *metadataSide) cpu() (all time.Duration, err error) {
	for _, c := range s.servers {
		one, err := cpuOf(c.pid)
		if err != nil {
			return 0, err
		}
		all += one
	}
	return all, nil
}

func (s *metadataSide) measure(t *table, r *run) error {
	rounds := 20
	if r.full {
		rounds = 200
	}
	server, err := s.cpu()
	if err != nil {
		return err
	}
	vswitchd, err := cpuOf(s.sw.VswitchdPID())
	if err != nil {
		return err
	}
	took, wall, failed := s.load(rounds)
	if failed > len(took)/20 {
		return fmt.Errorf("%d of %d requests failed", failed, rounds*len(s.guests))
	}
	serverAfter, err := s.cpu()
	if err != nil {
		return err
	}
	vswitchdAfter, err := cpuOf(s.sw.VswitchdPID())
	if err != nil {
		return err
	}
	var memory int64
	for _, c := range s.servers {
		m, err := memoryOf(c.pid)
		if err != nil {
			return err
		}
		memory += m.proportional
	}
	n := time.Duration(len(took))
	t.row(s.name, len(s.servers), float64(n)/wall.Seconds(), took.p50(), took.p99(), (serverAfter-server)/n, (vswitchdAfter-vswitchd)/n,
		mebibytes(memory), failed, verdict{})
	return nil
}

// load has the guests ask in turns.
func (s *metadataSide) load(rounds int) (took samples, wall time.Duration, failed int) {
	var mu sync.Mutex
	var work sync.WaitGroup
	next := make(chan int)
	began := time.Now()
	for range metadataAtOnce {
		work.Go(func() {
			for guest := range next {
				began := time.Now()
				err := s.get(context.Background(), guest)
				mu.Lock()
				if err != nil {
					failed++
				} else {
					took = append(took, time.Since(began))
				}
				mu.Unlock()
			}
		})
	}
	for range rounds {
		for i := range s.guests {
			next <- i
		}
	}
	close(next)
	work.Wait()
	return took, time.Since(began), failed
}
