package ovsdb_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

func TestEndpointsAreRefusedByName(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"": "want unix:PATH", "unix:": "want unix:PATH", "/run/db.sock": "want unix:PATH", "http:x": "unknown scheme",
		"tcp:::1": "brackets", "tcp:[::1": "brackets", "tcp::6640": "empty", "tcp:host:": "empty", "ssl:host": "needs a private key",
	} {
		if _, err := ovsdb.New(ovsdb.Config{Endpoint: endpoint}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", endpoint, err, want)
		}
	}
	for _, endpoint := range []string{"tcp:localhost", "tcp:[::1]", "tcp:[::1]:1", "tcp:10.0.0.1:6640", "unix:/a:b"} {
		if _, err := ovsdb.New(ovsdb.Config{Endpoint: endpoint}); err != nil {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

func TestTCP(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	ovs.Start(t, ovs.OVSDBArgs(fmt.Sprintf("--remote=ptcp:%d:127.0.0.1", port)))
	c := run(t, ovsdb.Config{Endpoint: fmt.Sprintf("tcp:127.0.0.1:%d", port)})
	db := ovsdb.NewDB()
	await(t, c, db, func(*ovsdb.DB) bool { return true })
	transact(t, c, ovsdb.EnsureBridge(db, ovsdb.BridgeSpec{Name: "br-tcp", DatapathType: "netdev"}), nil)
	await(t, c, db, func(db *ovsdb.DB) bool { b := db.Bridge("br-tcp"); return b != nil && b.DatapathID != "" })
}

// authority signs certificates for the tests.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name+".pem") }

func (a *authority) files(name string) ovsdb.Files {
	return ovsdb.Files{Key: a.path(name + "-key"), Cert: a.path(name), CA: a.path("ca")}
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.issue(t, "ca")
	return a
}

// issue writes key and certificate; the first one signs itself and the others.
func (a *authority) issue(t *testing.T, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: a.cert == nil, BasicConstraintsValid: true,
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert == nil {
		a.key = key
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{
		a.path(name): {Type: "CERTIFICATE", Bytes: der}, a.path(name + "-key"): {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSSL(t *testing.T) {
	t.Parallel()
	ours, theirs := newAuthority(t), newAuthority(t)
	ours.issue(t, "server")
	ours.issue(t, "client")
	theirs.issue(t, "client")
	port := freePort(t)
	ovs.Start(t, ovs.OVSDBArgs(fmt.Sprintf("--remote=pssl:%d:127.0.0.1", port),
		"--private-key="+ours.path("server-key"), "--certificate="+ours.path("server"), "--ca-cert="+ours.path("ca")))
	endpoint := fmt.Sprintf("ssl:127.0.0.1:%d", port)

	db := ovsdb.NewDB()
	await(t, run(t, ovsdb.Config{Endpoint: endpoint, TLS: ours.files("client")}), db, func(*ovsdb.DB) bool { return true })

	wrongCA := ours.files("client")
	wrongCA.CA = theirs.path("ca")
	for name, files := range map[string]ovsdb.Files{"server unknown to us": wrongCA, "we unknown to the server": {
		Key: theirs.path("client-key"), Cert: theirs.path("client"), CA: ours.path("ca")}} {
		ev := next(t, run(t, ovsdb.Config{Endpoint: endpoint, TLS: files}))
		if ev.State != ovsdb.Disconnected || ev.Err == nil {
			t.Errorf("%s: %v", name, ev.State)
		} else if name == "server unknown to us" && !strings.Contains(ev.Err.Error(), "unknown authority") {
			t.Errorf("%s: %v", name, ev.Err)
		}
	}
	for want, files := range map[string]ovsdb.Files{
		"no certificate in it": {Key: ours.path("client-key"), Cert: ours.path("client"), CA: ours.path("client-key")},
		"with key":             {Key: theirs.path("client-key"), Cert: ours.path("client"), CA: ours.path("ca")},
		"CA certificate":       {Key: ours.path("client-key"), Cert: ours.path("client"), CA: "/nonexistent"},
	} {
		if _, err := ovsdb.New(ovsdb.Config{Endpoint: endpoint, TLS: files}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", want, err)
		}
	}
}
