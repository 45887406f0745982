package metadata

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// Nova is Nova's metadata server, and how we show it who we are.
type Nova struct {
	// URL is such as http://192.0.2.10:8775.
	URL string
	// SecretFile holds what Nova's settings call metadata_proxy_shared_secret. Only its owner may read it.
	SecretFile string
	// CA, Cert and Key are PEM files for TLS: who vouches for the server (the system's, if empty), and our
	// own certificate (none, if empty).
	CA, Cert, Key string
}

// The times that Nova gets: to be reached, and to begin its answer, which may take it a walk through its database.
const (
	dialTime   = 2 * time.Second
	answerTime = 30 * time.Second
)

// transport connects to the server. It asks no proxy of the environment.
func (n Nova) transport() (*http.Transport, error) {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTime}).DialContext,
		TLSHandshakeTimeout: dialTime, ResponseHeaderTimeout: answerTime, IdleConnTimeout: time.Minute,
		MaxIdleConns: guestConnections, MaxIdleConnsPerHost: guestConnections, MaxConnsPerHost: allRequests,
		DisableCompression: true, MaxResponseHeaderBytes: 64 << 10,
	}
	if n.CA == "" && n.Cert == "" {
		return t, nil
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if n.CA != "" {
		pem, err := os.ReadFile(n.CA)
		if err != nil {
			return nil, fmt.Errorf("authorities for Nova: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("authorities for Nova: %s holds no certificate", n.CA)
		}
	}
	if n.Cert != "" {
		pair, err := tls.LoadX509KeyPair(n.Cert, n.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate for Nova: %w", err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

func (n Nova) address() (*url.URL, error) {
	u, err := url.Parse(n.URL)
	if err != nil {
		return nil, fmt.Errorf("address of Nova's metadata server: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("address of Nova's metadata server: %q is not http://HOST:PORT or https://HOST:PORT", n.URL)
	}
	return u, nil
}

// signer makes the signatures by which Nova knows that an instance's id comes from somebody who knows the secret.
type signer struct{ secret []byte }

func (n Nova) signer() (signer, error) {
	info, err := os.Stat(n.SecretFile)
	if err != nil {
		return signer{}, fmt.Errorf("shared secret: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return signer{}, fmt.Errorf("shared secret: others may read %s: chmod 600", n.SecretFile)
	}
	secret, err := os.ReadFile(n.SecretFile)
	if err != nil {
		return signer{}, fmt.Errorf("shared secret: %w", err)
	}
	secret = bytes.TrimRight(secret, "\r\n")
	if len(secret) == 0 {
		return signer{}, errors.New("shared secret: the file is empty")
	}
	return signer{secret}, nil
}

// sign returns what Nova computes itself from the instance's id, and compares.
func (s signer) sign(instance string) string {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(instance))
	return hex.EncodeToString(mac.Sum(nil))
}

// String keeps the secret out of logs.
func (signer) String() string { return "(secret)" }
