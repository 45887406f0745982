package northbound

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenRefuses(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for url, c := range map[string]struct {
		opts Options
		want string
	}{
		"":                              {Options{}, "is not a URL"},
		"etcd":                          {Options{}, "is not a URL"},
		"mysql://h":                     {Options{}, `unknown scheme "mysql"`},
		"memory://x":                    {Options{}, "nothing after it"},
		"embedded://relative":           {Options{}, "absolute directory"},
		"etcd://":                       {Options{}, `"" is not host:port`},
		"etcd://h":                      {Options{}, `"h" is not host:port`},
		"etcd://h:1,:2":                 {Options{}, `":2" is not host:port`},
		"etcd://user:secret@h:1":        {Options{}, "not supported"},
		"etcd://h:1":                    {Options{CA: junk}, "does not use TLS"},
		"etcds://h:1":                   {Options{CA: junk}, "no certificate in"},
		"etcds://h:2":                   {Options{CA: "/nonexistent"}, "/nonexistent"},
		"etcds://h:3":                   {Options{Cert: junk}, "go together"},
		"etcds://h:4":                   {Options{Cert: junk, Key: junk}, junk},
		"etcds://user:secret%zz@h:4":    {Options{}, "xxxxx@h:4"},
		"etcds://user:secret@h:4,h2:%x": {Options{}, "xxxxx@h:4,h2:%x"},
		"redis://":                      {Options{}, "is not host:port"},
		"redis://:secret@h":             {Options{}, `"h" is not host:port`},
		"redis://:secret@h:1/x":         {Options{}, `"x" is not the number`},
		"redis://:secret@h:1/-1":        {Options{}, "is not the number"},
		"redis://:secret@h:1?a=b":       {Options{}, "options after"},
		"redis://:secret@h:%zz":         {Options{}, "is not a URL"},
		"redis://h:1":                   {Options{CA: junk}, "does not use TLS"},
		"rediss:///run/socket":          {Options{}, "is not host:port"},
	} {
		conn, err := Open(t.Context(), url, c.opts)
		if err == nil {
			conn.Close()
			t.Errorf("%q was opened", url)
		} else if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", url, err, c.want)
		}
	}
}

// TestOpen opens what needs no server; the drivers' own tests do the rest.
func TestOpen(t *testing.T) {
	for _, url := range []string{"memory://", "embedded://" + t.TempDir(), "etcd://127.0.0.1:1,[::1]:1", "etcds://localhost:1",
		"redis://user:pw@127.0.0.1:1/2", "rediss://localhost:1", "redis:///nonexistent/socket"} {
		conn, err := Open(t.Context(), url, Options{})
		if err != nil {
			t.Errorf("%q: %v", url, err)
			continue
		}
		if !strings.HasPrefix(url, conn.Name) {
			t.Errorf("%q opened %s", url, conn.Name)
		}
		if err := conn.Close(); err != nil {
			t.Errorf("%q: close: %v", url, err)
		}
	}
}

// TestPrefix: the same prefix with and without slashes around it is one.
func TestPrefix(t *testing.T) {
	dir := t.TempDir()
	for i, prefix := range []string{"", "dragonflow", "/dragonflow", "dragonflow/"} {
		conn, err := Open(t.Context(), "embedded://"+dir, Options{Prefix: prefix})
		if err != nil {
			t.Fatal(err)
		}
		s := NewStore(conn)
		if i == 0 {
			s.mustPut(t, network(1, 1000))
		}
		if s.mtu(t) != 1000 {
			t.Errorf("prefix %q does not see what was written without one", prefix)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBadPrefixes(t *testing.T) {
	for _, prefix := range []string{"a//b", "{a}", "a/../b", "a:b", "a b", "/", "//"} {
		if conn, err := Open(t.Context(), "memory://", Options{Prefix: prefix}); err == nil {
			conn.Close()
			t.Errorf("prefix %q was taken", prefix)
		} else if !strings.Contains(err.Error(), "prefix") {
			t.Errorf("prefix %q: %v", prefix, err)
		}
	}
}
