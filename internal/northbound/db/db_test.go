package db

import (
	"errors"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	for _, c := range []struct {
		key  Key
		path string
	}{
		{Key{"global", "Chassis", "c1.example.org"}, "global:Chassis/c1.example.org"},
		{Key{"network/9b-1/ports", "Port", "4e"}, "network/9b-1/ports:Port/4e"},
		{Key{"chassis/..", "K", "."}, "chassis/%2E%2E:K/%2E"},
		{Key{"a/b:c%", "x/y", "\x00é"}, "a/b%3Ac%25:x%2Fy/%00%C3%A9"},
	} {
		if got := c.key.Path(); got != c.path {
			t.Errorf("%q.Path() = %q, want %q", c.key, got, c.path)
		}
		if got, err := ParsePath(c.path); err != nil || got != c.key {
			t.Errorf("ParsePath(%q) = %q, %v, want %q", c.path, got, err, c.key)
		}
	}
	for _, bad := range []string{"", "a", "a:b", "a:b/", ":b/c", "a//b:c/d", "a:b/c/d", "a:b/%zz", "a:b/%41", "a:b/c d", "a:b:c/d"} {
		if k, err := ParsePath(bad); err == nil {
			t.Errorf("ParsePath(%q) = %q, want an error", bad, k)
		}
	}
}

func FuzzPath(f *testing.F) {
	f.Add("network/x", "Port", "..", "network/x:Port/%2E%2E")
	f.Fuzz(func(t *testing.T, scope, kind, id, path string) {
		k := Key{Scope(scope), kind, id}
		if k.Check() == nil {
			if got, err := ParsePath(k.Path()); err != nil || got != k {
				t.Fatalf("ParsePath(%q) = %q, %v, want %q", k.Path(), got, err, k)
			}
		}
		if k, err := ParsePath(path); err == nil && k.Path() != path {
			t.Fatalf("%q parses to %q, which is written %q", path, k, k.Path())
		}
		if s, err := ParseScopePath(path); err == nil && s.Path() != path {
			t.Fatalf("%q parses to scope %q, which is written %q", path, s, s.Path())
		}
	})
}

func TestCheckBatch(t *testing.T) {
	can := Capabilities{AtomicOps: 2, AtomicBytes: 40, MaxValue: 20}
	key := func(id string) Key { return Key{"s", "k", id} }
	for name, c := range map[string]struct {
		ops  []Op
		want error
	}{
		"ok":        {[]Op{{Verb: Put, Key: key("a"), Value: make([]byte, 20)}, {Verb: Delete, Key: key("b"), If: AnyRevision}}, nil},
		"too many":  {make([]Op, 3), ErrBatchTooLarge},
		"empty key": {[]Op{{Verb: Put}}, ErrInvalidKey},
		"no id":     {[]Op{{Verb: Put, Key: Key{"s", "k", ""}}}, ErrInvalidKey},
		"segment":   {[]Op{{Verb: Put, Key: Key{"s//t", "k", "i"}}}, ErrInvalidKey},
		"long":      {[]Op{{Verb: Put, Key: key(strings.Repeat("x", MaxKey))}}, ErrInvalidKey},
		"twice":     {[]Op{{Verb: Put, Key: key("a")}, {Verb: Check, Key: key("a")}}, ErrInvalidOp},
		"value":     {[]Op{{Verb: Put, Key: key("a"), Value: make([]byte, 21)}}, ErrTooLarge},
		"sum":       {[]Op{{Verb: Put, Key: key("a"), Value: make([]byte, 20)}, {Verb: Put, Key: key("b"), Value: make([]byte, 20)}}, ErrBatchTooLarge},
		"verb":      {[]Op{{Verb: 9, Key: key("a")}}, ErrInvalidOp},
		"condition": {[]Op{{Verb: Put, Key: key("a"), If: -2}}, ErrInvalidOp},
		"delete":    {[]Op{{Verb: Delete, Key: key("a"), Lease: 1}}, ErrInvalidOp},
	} {
		if err := CheckBatch(c.ops, can); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
