package ovsdb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// defaultPort is ovsdb's number at IANA.
const defaultPort = "6640"

// Files of an ssl: endpoint, PEM.
type Files struct {
	Key, Cert, CA string
}

// endpoint is where a database listens.
type endpoint struct {
	network, address string
	tls              *tls.Config // nil without TLS
}

// parseEndpoint reads Open vSwitch's notation of an active connection: unix:PATH,
// tcp:HOST[:PORT] or ssl:HOST[:PORT], an IPv6 address in brackets.
func parseEndpoint(s string, files Files) (endpoint, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || rest == "" {
		return endpoint{}, fmt.Errorf("OVSDB endpoint %q: want unix:PATH, tcp:HOST[:PORT] or ssl:HOST[:PORT]", s)
	}
	switch scheme {
	case "unix":
		return endpoint{network: "unix", address: rest}, nil
	case "tcp", "ssl":
		address, err := withPort(rest)
		if err != nil {
			return endpoint{}, fmt.Errorf("OVSDB endpoint %q: %w", s, err)
		}
		e := endpoint{network: "tcp", address: address}
		if scheme == "ssl" {
			if e.tls, err = files.config(); err != nil {
				return endpoint{}, fmt.Errorf("OVSDB endpoint %q: %w", s, err)
			}
		}
		return e, nil
	}
	return endpoint{}, fmt.Errorf("OVSDB endpoint %q: unknown scheme %q; want unix, tcp or ssl", s, scheme)
}

func withPort(s string) (string, error) {
	if host, port, err := net.SplitHostPort(s); err == nil {
		if host == "" || port == "" {
			return "", fmt.Errorf("host or port is empty")
		}
		return s, nil
	}
	host := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		host = s[1 : len(s)-1]
	}
	if host == "" || strings.ContainsAny(host, "[]") || host == s && strings.Contains(s, ":") {
		return "", fmt.Errorf("%q is no host; an IPv6 address stands in brackets", s)
	}
	return net.JoinHostPort(host, defaultPort), nil
}

// config is for mutual TLS as Open vSwitch means it: a certificate is good if
// the CA signed it. Its names are not compared, because those that ovs-pki
// makes have none of the host.
func (f Files) config() (*tls.Config, error) {
	if f.Key == "" || f.Cert == "" || f.CA == "" {
		return nil, errors.New("ssl needs a private key, a certificate and a CA certificate")
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	pem, err := os.ReadFile(f.CA)
	if err != nil {
		return nil, fmt.Errorf("CA certificate: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA certificate %s: no certificate in it", f.CA)
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		Certificates:       []tls.Certificate{pair},
		InsecureSkipVerify: true, // names only: VerifyConnection checks the chain
		VerifyConnection:   func(cs tls.ConnectionState) error { return verify(cs, roots) },
	}, nil
}

func verify(cs tls.ConnectionState, roots *x509.CertPool) error {
	if len(cs.PeerCertificates) == 0 {
		return errors.New("the peer has no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range cs.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

func (e endpoint) dial(ctx context.Context) (net.Conn, error) {
	if e.tls != nil {
		return (&tls.Dialer{Config: e.tls}).DialContext(ctx, e.network, e.address)
	}
	return new(net.Dialer).DialContext(ctx, e.network, e.address)
}
