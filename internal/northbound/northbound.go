// Package northbound is Dragonflow's side of the database of the logical topology: it opens the
// database that a URL names, reads and writes the model's objects in it by their own revisions ([Store],
// [Txn]), follows the scopes that a chassis needs ([Subscriber]) and keeps a chassis' sign of life
// ([Register]).
//
// What comes out of a database is hostile until it is decoded: an object that cannot be read is an
// event or an entry with an error, and stops nothing else.
package northbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/embedded"
	"github.com/dragonflow/dragonflow/internal/northbound/db/etcd"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
	"github.com/dragonflow/dragonflow/internal/northbound/db/redis"
)

// DefaultPrefix begins every key of Dragonflow in a database that others use too.
const DefaultPrefix = "/dragonflow"

// Options say how to open a database.
type Options struct {
	// Prefix begins every key, with a slash before it if it has none; empty is DefaultPrefix.
	Prefix string
	// Cert and Key are files with our certificate and its key, for schemes with TLS whose server wants
	// one; both or neither.
	Cert, Key string
	// CA is a file with the certificates that may sign the server's; empty is the system's.
	CA string
	// Log takes what a database in this process has to say; nil is nowhere.
	Log *slog.Logger
}

// Open connects to the database that a URL names:
//
//	memory://                           in this process, for tests; each Open makes a new one
//	embedded:///var/lib/dragonflow      in this process, with its data in a directory
//	etcd://host:2379,host:2379          an etcd cluster
//	etcds://host:2379,host:2379         the same with TLS
//	redis://[[user]:password@]host:6379[/number]   one Redis server, or redis:///path for its socket
//	rediss://…                          the same with TLS
//
// It does not wait for a remote database to be reachable. The caller closes the connection.
func Open(ctx context.Context, rawURL string, opts Options) (*db.Connection, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return nil, fmt.Errorf("database %q is not a URL such as embedded:///var/lib/dragonflow", redact(rawURL))
	}
	if opts.Prefix == "" {
		opts.Prefix = DefaultPrefix
	}
	opts.Prefix = "/" + strings.Trim(opts.Prefix, "/") // the setting is a word
	if err := db.Scope(opts.Prefix[1:]).Check(); err != nil || db.Scope(opts.Prefix).Path() != opts.Prefix {
		return nil, fmt.Errorf("database prefix %q: may hold letters, digits and -_. in segments between single slashes", opts.Prefix)
	}
	conn, err := open(ctx, scheme, rest, opts)
	if err != nil {
		return nil, fmt.Errorf("database %q: %w", redact(rawURL), err)
	}
	return conn, nil
}

func open(ctx context.Context, scheme, rest string, opts Options) (*db.Connection, error) {
	secure := scheme == "etcds" || scheme == "rediss"
	if !secure && (opts.Cert != "" || opts.Key != "" || opts.CA != "") {
		return nil, fmt.Errorf("a certificate, key or CA is given, but %s does not use TLS", scheme)
	}
	switch scheme {
	case "memory":
		if rest != "" {
			return nil, errors.New("memory:// takes nothing after it")
		}
		return memory.Open(), nil
	case "embedded":
		if !strings.HasPrefix(rest, "/") {
			return nil, errors.New("needs an absolute directory, as embedded:///var/lib/dragonflow")
		}
		return embedded.Open(ctx, embedded.Config{Dir: rest, Prefix: opts.Prefix, Log: opts.Log})
	case "etcd", "etcds":
		return openEtcd(rest, secure, opts)
	case "redis", "rediss":
		return openRedis(ctx, rest, secure, opts)
	}
	return nil, fmt.Errorf("unknown scheme %q; known are memory, embedded, etcd, etcds, redis, rediss", scheme)
}

func openEtcd(rest string, secure bool, opts Options) (*db.Connection, error) {
	cfg := etcd.Config{Endpoints: strings.Split(strings.TrimSuffix(rest, "/"), ","), Prefix: opts.Prefix}
	if strings.Contains(rest, "@") {
		return nil, errors.New("etcd users and passwords are not supported; use certificates")
	}
	for _, e := range cfg.Endpoints {
		if err := checkAddress(e); err != nil {
			return nil, err
		}
	}
	if secure {
		var err error
		if cfg.TLS, err = opts.tls(); err != nil {
			return nil, err
		}
	}
	return etcd.Open(cfg)
}

func openRedis(ctx context.Context, rest string, secure bool, opts Options) (*db.Connection, error) {
	u, err := url.Parse("redis://" + rest)
	if err != nil {
		return nil, errors.New("is not a URL") // the parser's error shows the password
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("options after ? or # are not known")
	}
	cfg := redis.Config{Address: u.Host, User: u.User.Username(), Prefix: opts.Prefix}
	cfg.Password, _ = u.User.Password()
	if u.Host == "" && len(u.Path) > 1 && !secure {
		cfg.Address = "unix:" + u.Path
		return redis.Open(ctx, cfg)
	}
	if err := checkAddress(u.Host); err != nil {
		return nil, err
	}
	if number := strings.TrimPrefix(u.Path, "/"); number != "" {
		if cfg.DB, err = strconv.Atoi(number); err != nil || cfg.DB < 0 {
			return nil, fmt.Errorf("%q is not the number of a Redis database", number)
		}
	}
	if secure {
		if cfg.TLS, err = opts.tls(); err != nil {
			return nil, err
		}
		cfg.TLS.ServerName = u.Hostname()
	}
	return redis.Open(ctx, cfg)
}

// checkAddress refuses what is not host:port.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || strings.ContainsAny(address, "/@?#") {
		return fmt.Errorf("%q is not host:port", address)
	}
	return nil
}

// tls returns what the options say about certificates.
func (o Options) tls() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if (o.Cert == "") != (o.Key == "") {
		return nil, errors.New("certificate and key go together")
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", o.Cert, o.Key, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	if o.CA != "" {
		pem, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, fmt.Errorf("CA: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("CA: no certificate in %s", o.CA)
		}
	}
	return cfg, nil
}

// redact hides the password of a URL.
func redact(rawURL string) string {
	if u, err := url.Parse(rawURL); err == nil {
		return u.Redacted()
	}
	scheme, rest, _ := strings.Cut(rawURL, "://")
	if _, host, ok := strings.Cut(rest, "@"); ok {
		rest = "xxxxx@" + host
	}
	return scheme + "://" + rest
}
