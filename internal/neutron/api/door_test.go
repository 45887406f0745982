package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// certificate writes a self-signed certificate for 127.0.0.1 with its key.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(t, cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, key, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})))
	return cert, key
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serve opens a door until the test ends.
func serve(t *testing.T, a api.Access) *api.Door {
	t.Helper()
	door, err := open(t).Server.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- door.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return door
}

func TestStrangersAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir)
	token, short := filepath.Join(dir, "token"), filepath.Join(dir, "short")
	write(t, token, "0123456789abcdef0123456789abcdef\n")
	write(t, short, "secret\n")
	s, err := api.New(api.Options{DB: memory.Open()})
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]api.Access{
		"everywhere":          {Listen: "0.0.0.0:0"},
		"no host":             {Listen: ":0"},
		"a name":              {Listen: "example.com:0"},
		"TLS only":            {Listen: "0.0.0.0:0", Cert: cert, Key: key},
		"token only":          {Listen: "0.0.0.0:0", TokenFile: token},
		"key missing":         {Listen: "127.0.0.1:0", Cert: cert},
		"client CA alone":     {Listen: "127.0.0.1:0", ClientCA: cert},
		"client CA is no PEM": {Listen: "127.0.0.1:0", Cert: cert, Key: key, ClientCA: token},
		"short token":         {Listen: "127.0.0.1:0", TokenFile: short},
		"no token file":       {Listen: "127.0.0.1:0", TokenFile: filepath.Join(dir, "none")},
		"no port":             {Listen: "127.0.0.1"},
		"file in the way":     {Listen: "unix:" + token},
	} {
		if door, err := s.Open(a); err == nil {
			t.Errorf("%s: opened %s", name, door.Address())
			_ = door.Close()
		}
	}
	door, err := s.Open(api.Access{Listen: "0.0.0.0:0", Cert: cert, Key: key, TokenFile: token})
	if err != nil {
		t.Fatal(err)
	}
	_ = door.Close()
}

func TestToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	write(t, file, "0123456789abcdef\n")
	door := serve(t, api.Access{Listen: "127.0.0.1:0", TokenFile: file})
	c := &client{t: t, base: "http://" + door.Address().String()}
	c.refused(401, "HTTPUnauthorized", "GET", "/v2.0/networks", nil)
	c.refused(401, "HTTPUnauthorized", "GET", "/v2.0/networks", nil, "X-Auth-Token", "0123456789abcdeX")
	c.must(200, "GET", "/", nil)
	c.must(200, "GET", "/v2.0/networks", nil, "X-Auth-Token", "0123456789abcdef")
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, t.TempDir())
	door := serve(t, api.Access{Listen: "127.0.0.1:0", Cert: cert, Key: key, ClientCA: cert})
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	for _, own := range [][]tls.Certificate{nil, {pair}} {
		hc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: own}}}
		resp, err := hc.Get("https://" + door.Address().String() + "/v2.0/networks")
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != (own != nil) {
			t.Errorf("with %d certificates: %v", len(own), err)
		}
		hc.CloseIdleConnections()
	}
}

// A socket that a killed server has left is taken over, one that is served is not.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	serve(t, api.Access{Listen: "unix:" + path})
	hc := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	resp, err := hc.Get("http://api/v2.0/networks")
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	_ = resp.Body.Close()
	hc.CloseIdleConnections()
	if _, err := open(t).Server.Open(api.Access{Listen: "unix:" + path}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("second server: %v", err)
	}
}
