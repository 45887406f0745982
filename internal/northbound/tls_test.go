package northbound

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/dbtest"
)

// authority makes certificates for 127.0.0.1.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.cert = &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true,
		BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	a.key = a.issue(t, "ca", a.cert)
	return a
}

// issue writes NAME.pem and NAME.key.
func (a *authority) issue(t *testing.T, name string, c *x509.Certificate) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) leaf(t *testing.T, name string) {
	t.Helper()
	a.issue(t, name, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
}

// TestTLS talks to real servers that want a certificate: with the right one, without one, and with
// another authority.
func TestTLS(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	ours.leaf(t, "server")
	ours.leaf(t, "client")
	servers := map[string]func(address string) []string{
		"etcds": func(address string) []string {
			peer := "http://" + dbtest.FreeAddress(t)
			return []string{"etcd", "--name=t", "--data-dir=" + t.TempDir(), "--log-level=error",
				"--listen-client-urls=https://" + address, "--advertise-client-urls=https://" + address,
				"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=t=" + peer,
				"--cert-file=" + ours.file("server.pem"), "--key-file=" + ours.file("server.key"),
				"--client-cert-auth", "--trusted-ca-file=" + ours.file("ca.pem")}
		},
		"rediss": func(address string) []string {
			_, port, _ := net.SplitHostPort(address)
			return []string{"redis-server", "--bind", "127.0.0.1", "--port", "0", "--tls-port", port, "--dir", t.TempDir(), "--save", "",
				"--tls-cert-file", ours.file("server.pem"), "--tls-key-file", ours.file("server.key"),
				"--tls-ca-cert-file", ours.file("ca.pem")}
		},
	}
	for scheme, command := range servers {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			address := dbtest.FreeAddress(t)
			args := command(address)
			args[0] = dbtest.Binary(t, args[0])
			dbtest.NewProcess(t, args...).WaitFor(address)
			right := Options{Cert: ours.file("client.pem"), Key: ours.file("client.key"), CA: ours.file("ca.pem")}
			if err := tryOut(t, 30*time.Second, scheme+"://"+address, right); err != nil {
				t.Errorf("with the right certificates: %v", err)
			}
			if err := tryOut(t, 2*time.Second, scheme+"://"+address, Options{CA: ours.file("ca.pem")}); err == nil {
				t.Error("without a certificate the server let us in")
			}
			wrong := right
			wrong.CA = other.file("ca.pem")
			if err := tryOut(t, 2*time.Second, scheme+"://"+address, wrong); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("a server that another authority vouches for: %v", err)
			}
			if err := tryOut(t, 2*time.Second, strings.TrimSuffix(scheme, "s")+"://"+address, Options{}); err == nil {
				t.Error("without TLS the server let us in")
			}
		})
	}
}

// tryOut writes and reads a value.
func tryOut(t *testing.T, patience time.Duration, url string, opts Options) error {
	t.Helper()
	conn, err := Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	key := db.Key{Scope: "s", Kind: "k", ID: "i"}
	if _, err := conn.Apply(ctx, []db.Op{{Verb: db.Put, Key: key, If: db.AnyRevision, Value: []byte("x")}}); err != nil {
		return err
	}
	_, err = conn.Get(ctx, key)
	return err
}
