package db

import (
	"fmt"
	"strings"
)

// A storage key is written "network/9b…/ports:Port/4e…": the scope, a colon, the kind, a slash, the id.
// The colon ends the scope, so that all keys of a scope have one prefix that no other scope's keys have.

// Path returns the storage key for databases with flat keys: ASCII, readable, unambiguous. Bytes other
// than letters, digits, '-', '_' and '.' become %XX, as does the dot of a segment "." or "..".
func (k Key) Path() string {
	return k.Scope.Path() + ":" + escape(k.Kind) + "/" + escape(k.ID)
}

// Path returns the scope as it begins the storage key, without the colon.
func (s Scope) Path() string {
	parts := strings.Split(string(s), "/")
	for i, p := range parts {
		parts[i] = escape(p)
	}
	return strings.Join(parts, "/")
}

// ParsePath is the inverse of [Key.Path]. It accepts only what Path writes.
func ParsePath(path string) (Key, error) {
	scope, rest, ok := strings.Cut(path, ":")
	kind, id, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 {
		return Key{}, fmt.Errorf("%w: %.64q is not a storage key", ErrInvalidKey, path)
	}
	k := Key{Scope: Scope(unescapeScope(scope)), Kind: unescape(kind), ID: unescape(id)}
	if k.Path() != path {
		return Key{}, fmt.Errorf("%w: %.64q is not a storage key", ErrInvalidKey, path)
	}
	return k, k.Check()
}

// ParsePath returns the key of the scope from the part of its storage key that follows the colon.
func (s Scope) ParsePath(rest string) (Key, error) {
	kind, id, ok := strings.Cut(rest, "/")
	k := Key{Scope: s, Kind: kind, ID: id}
	if strings.Contains(rest, "%") {
		k.Kind, k.ID = unescape(kind), unescape(id)
	}
	if !ok || kind == "" || id == "" || k.size() > MaxKey {
		return Key{}, fmt.Errorf("%w: %.64q is not a storage key", ErrInvalidKey, rest)
	}
	return k, nil
}

// ParseScopePath is the inverse of [Scope.Path].
func ParseScopePath(path string) (Scope, error) {
	s := Scope(unescapeScope(path))
	if s.Path() != path {
		return "", fmt.Errorf("%w: %.64q is not a scope", ErrInvalidKey, path)
	}
	return s, s.Check()
}

func unescapeScope(path string) string {
	if !strings.Contains(path, "%") {
		return path
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = unescape(p)
	}
	return strings.Join(parts, "/")
}

func plain(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
}

func escape(s string) string {
	dots := s == "." || s == ".."
	reserved := 0
	for i := range len(s) {
		if dots || !plain(s[i]) {
			reserved++
		}
	}
	if reserved == 0 {
		return s
	}
	out := make([]byte, 0, len(s)+2*reserved)
	for i := range len(s) {
		if c := s[i]; plain(c) && !dots {
			out = append(out, c)
		} else {
			out = append(out, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(out)
}

const hexDigits = "0123456789ABCDEF"

// unescape leaves what is not an escape as it is; the callers compare by escaping again.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
			if hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}
