package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
	"github.com/dragonflow/dragonflow/internal/testkit/netns"
)

const (
	novaAddress = "127.0.0.1:8775"
	novaSecret  = "between Nova and us"
	metadata4   = "http://169.254.169.254"
	metadata6   = "http://[fe80::a9fe:a9fe%25eth0]"
)

// nova is a metadata server that believes what Nova believes.
type nova struct {
	server  *http.Server
	refused atomic.Int64
	// slow, if set, is the instance whose requests it does not answer.
	slow atomic.Value
}

// nova starts a metadata server in the hypervisor's namespace.
func (c *cloud) nova() *nova {
	c.t.Helper()
	n := &nova{}
	l, err := c.Host.Listen(c.t.Context(), "tcp", novaAddress)
	if err != nil {
		c.t.Fatal(err)
	}
	ended, hang := make(chan struct{}), make(chan struct{})
	n.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		instance := r.Header.Get("X-Instance-ID")
		mac := hmac.New(sha256.New, []byte(novaSecret))
		mac.Write([]byte(instance))
		one := len(r.Header["X-Instance-Id"]) == 1 && len(r.Header["X-Tenant-Id"]) == 1 && len(r.Header["X-Forwarded-For"]) == 1
		if !one || !hmac.Equal([]byte(r.Header.Get("X-Instance-ID-Signature")), []byte(hex.EncodeToString(mac.Sum(nil)))) {
			n.refused.Add(1)
			http.Error(w, "Invalid proxy request signature.", http.StatusForbidden)
			return
		}
		if instance == n.slow.Load() {
			select {
			case <-hang:
			case <-r.Context().Done():
			}
			return
		}
		_, _ = fmt.Fprintf(w, "%s %s %s %s", instance, r.Header.Get("X-Tenant-ID"), r.Header.Get("X-Forwarded-For"), r.URL.Path)
	})}
	go func() {
		defer close(ended)
		_ = n.server.Serve(l)
	}()
	c.t.Cleanup(func() {
		close(hang)
		_ = n.server.Close()
		<-ended
		if refused := n.refused.Load(); refused > 0 {
			c.t.Errorf("Nova does not believe %d requests", refused)
		}
	})
	return n
}

// metadataFlags are the settings of a chassis with metadata.
func (c *cloud) metadataFlags() []string {
	c.t.Helper()
	file := filepath.Join(c.dir, "secret")
	if err := os.WriteFile(file, []byte(novaSecret+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return []string{"--metadata-nova-url", "http://" + novaAddress, "--metadata-secret-file", file}
}

// curl asks as the guest and returns the status and the answer; 000 is no answer.
func (g *guest) curl(url string, further ...string) (string, string) {
	ctx, cancel := soon()
	defer cancel()
	out, err := g.Guest.Guest.Run(ctx, append([]string{"curl", "-s", "-g", "--max-time", "20", "--connect-timeout", "5", "-w", "\n%{http_code}", url}, further...)...)
	at := strings.LastIndex(out, "\n")
	if err != nil && at < 0 || at < 0 {
		return "000", out
	}
	return strings.TrimSpace(out[at:]), out[:at]
}

// told returns an error unless the guest gets its own metadata by both families.
func (g *guest) told(instance string) error {
	for url, address := range map[string]string{metadata4: g.v4.String(), metadata6: "fe80::"} {
		code, body := g.curl(url + "/latest/meta-data")
		if want := instance + " p " + address; code != "200" || !strings.HasPrefix(body, want) || !strings.HasSuffix(body, " /latest/meta-data") {
			return fmt.Errorf("%s of %s: %s %q, want %q", url, g.Spec().Name, code, body, want)
		}
	}
	return nil
}

func (g *guest) mustBeTold(instance string) {
	g.c.t.Helper()
	g.c.eventually(instance+" gets its metadata", func() error { return g.told(instance) })
}

// knows gives the guest a way to the service without DHCP, such as "via 10.0.0.1".
func (g *guest) knows(way ...string) *guest {
	g.c.t.Helper()
	g.Run(append([]string{"ip", "route", "add", "169.254.169.254", "dev", "eth0"}, way...)...)
	return g
}

// Two tenants with the same addresses, with and without a router, by the addresses of both families.
func TestMetadata(t *testing.T) {
	t.Parallel()
	netns.Need(t, "curl")
	c := newCloud(t)
	n := c.nova()
	c.standalone(c.metadataFlags()...)
	blue, red := c.network("blue"), c.network("red")
	silent := c.create("security_group", obj{"name": "silent"}).id()
	for _, r := range c.list("security_group_rule") {
		if r["security_group_id"] == silent {
			c.remove("security_group_rule", r["id"].(string))
		}
	}
	router := c.create("router", obj{"name": "r"}).id()
	for _, s := range c.list("subnet") {
		if s["network_id"] == blue && s["ip_version"].(float64) == 4 {
			c.must(http.MethodPut, path("router", router)+"/add_router_interface", obj{"subnet_id": s["id"]})
		}
	}
	fixed := obj{"device_id": "instance-a", "security_groups": []string{silent}}
	a := c.guest(blue, "a", fixed).static()
	a.knows("via", "10.0.0.1") // by the router's MAC address
	b := c.guest(red, "b", obj{"device_id": "instance-b", "fixed_ips": c.sameAddress(red, a.v4)})
	b.Lease(b.DHCP(lab.Udhcpc)) // and by what DHCP says
	if a.v4 != b.v4 {
		t.Fatalf("%v and %v are not the same", a.v4, b.v4)
	}
	a.mustBeTold("instance-a")
	b.mustBeTold("instance-b")

	for _, header := range []string{"X-Instance-ID: instance-b", "X-Tenant-ID: q", "X-Forwarded-For: 10.9.9.9", "X-Instance-ID-Signature: 00",
		"X-OVN-Network-ID: " + red, "X-Neutron-Network-ID: " + red} {
		if code, body := a.curl(metadata4+"/x", "-H", header); code != "200" || !strings.HasPrefix(body, "instance-a p "+a.v4.String()) {
			t.Errorf("with %s: %s %q", header, code, body)
		}
	}
	spoof := netip.MustParseAddr("10.0.0.200")
	a.Address(spoof.String() + "/32")
	if code, body := a.curl(metadata4+"/x", "--interface", spoof.String(), "--connect-timeout", "2"); code != "000" {
		t.Errorf("from an address of another: %s %q", code, body)
	}
	for _, url := range []string{metadata4 + ":8080/", metadata4 + ":22/"} {
		if code, body := a.curl(url, "--connect-timeout", "2"); code != "000" {
			t.Errorf("%s: %s %q", url, code, body)
		}
	}

	n.slow.Store("instance-a")
	waiting, hurry := context.WithTimeout(context.Background(), time.Minute)
	defer hurry()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = a.Guest.Guest.Run(waiting, "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do curl -s -m 30 "+metadata4+"/ & done; wait")
	}()
	for range 10 {
		if err := b.told("instance-b"); err != nil {
			t.Error(err)
		}
	}
	hurry()
	<-done
	n.slow.Store("")
	if err := n.server.Close(); err != nil {
		t.Error(err)
	}
	began := time.Now()
	if code, _ := b.curl(metadata4 + "/"); code != "503" && code != "502" {
		t.Errorf("without Nova: %s", code)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("without Nova an answer takes %v", took)
	}
	if out, err := c.ask("status"); err != nil || !strings.Contains(out, "metadata") || !strings.Contains(out, "Nova") {
		t.Errorf("status does not tell of it: %v\n%s", err, out)
	}
}

// sameAddress is a fixed IP on a network that has the address of another.
func (c *cloud) sameAddress(network string, a netip.Addr) []obj {
	var ips []obj
	for _, s := range c.list("subnet") {
		if s["network_id"] != network {
			continue
		}
		ip := obj{"subnet_id": s["id"]}
		if s["ip_version"].(float64) == 4 {
			ip["ip_address"] = a.String()
		}
		ips = append(ips, ip)
	}
	return ips
}

// The database is killed, then the controller, then the switch: guests get their metadata.
func TestMetadataInOutages(t *testing.T) {
	t.Parallel()
	netns.Need(t, "curl")
	c := newCloud(t)
	c.nova()
	etcd := c.etcd()
	c.server()
	ctl := c.controller(c.metadataFlags()...)
	a := c.guest(c.network("blue"), "a", obj{"device_id": "instance-a"}).static()
	a.knows()
	a.mustBeTold("instance-a")
	c.waitSettled()
	etcd.Kill()
	if err := a.told("instance-a"); err != nil {
		t.Errorf("without the database: %v", err)
	}
	ctl.Kill()
	ctl.start()
	a.mustBeTold("instance-a")
	c.KillVswitchd()
	c.StartVswitchd()
	a.mustBeTold("instance-a")
}
