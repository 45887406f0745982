package ovsdb

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// The notation of values is RFC 7047 section 5.1. The bytes that these
// functions get are one valid JSON value each (the framing saw to that), but
// of any type.

func parseText(b []byte) (string, error) {
	if len(b) < 2 || b[0] != '"' {
		return "", fmt.Errorf("%s is not a string", short(b))
	}
	if inner := b[1 : len(b)-1]; bytes.IndexByte(inner, '\\') < 0 && isPlain(inner) {
		return string(inner), nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return "", fmt.Errorf("%s: %w", short(b), err)
	}
	return s, nil
}

// isPlain says whether the inner part of a JSON string is its own value.
func isPlain(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c >= 0x80 || c == '"' {
			return false
		}
	}
	return true
}

func parseInteger(b []byte) (int, error) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not an integer", short(b))
	}
	return int(n), nil
}

func parseBool(b []byte) (bool, error) {
	switch string(b) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is not a boolean", short(b))
}

// parseUUID reads ["uuid", "…"].
func parseUUID(b []byte) (UUID, error) {
	tag, rest, err := parseTagged(b)
	if err != nil {
		return "", err
	}
	if tag != "uuid" {
		return "", fmt.Errorf("%s is not a uuid", short(b))
	}
	s, err := parseText(rest)
	if err != nil {
		return "", err
	}
	return checkUUID(s)
}

func checkUUID(s string) (UUID, error) {
	if len(s) != 36 {
		return "", fmt.Errorf("%s is not a uuid", short([]byte(s)))
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && !strings.Contains("0123456789abcdefABCDEF", s[i:i+1]) {
			return "", fmt.Errorf("%s is not a uuid", short([]byte(s)))
		}
	}
	return UUID(s), nil
}

// parseTagged reads [tag, value].
func parseTagged(b []byte) (tag string, rest []byte, err error) {
	var pair []json.RawMessage
	if err := json.Unmarshal(b, &pair); err != nil || len(pair) != 2 {
		return "", nil, fmt.Errorf("%s is not a uuid, set or map", short(b))
	}
	tag, err = parseText(pair[0])
	return tag, pair[1], err
}

// parseSet reads a set: ["set", […]], or its one element by itself.
func parseSet[E any](b []byte, element func([]byte) (E, error)) ([]E, error) {
	if isSet := bytes.HasPrefix(b, []byte(`["set"`)); !isSet {
		e, err := element(b)
		if err != nil {
			return nil, err
		}
		return []E{e}, nil
	}
	_, rest, err := parseTagged(b)
	if err != nil {
		return nil, err
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(rest, &raw); err != nil {
		return nil, fmt.Errorf("set %s: %w", short(b), err)
	}
	if len(raw) == 0 {
		return nil, nil
	}
	set := make([]E, len(raw))
	for i, r := range raw {
		if set[i], err = element(r); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// parseMap reads ["map", [[key, value], …]].
func parseMap[K comparable, V any](b []byte, key func([]byte) (K, error), value func([]byte) (V, error)) (map[K]V, error) {
	tag, rest, err := parseTagged(b)
	if err != nil {
		return nil, err
	}
	var raw [][]json.RawMessage
	if err := json.Unmarshal(rest, &raw); err != nil || tag != "map" {
		return nil, fmt.Errorf("%s is not a map", short(b))
	}
	if len(raw) == 0 {
		return nil, nil
	}
	m := make(map[K]V, len(raw))
	for _, r := range raw {
		if len(r) != 2 {
			return nil, fmt.Errorf("%s is not a map", short(b))
		}
		k, err := key(r[0])
		if err != nil {
			return nil, err
		}
		if m[k], err = value(r[1]); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// short quotes outside bytes for an error, a bounded part of them.
func short(b []byte) string {
	const most = 60
	if len(b) > most {
		return strconv.QuoteToASCII(string(b[:most])) + "…"
	}
	return strconv.QuoteToASCII(string(b))
}

// The notation that we send.

func uuidValue(u UUID) any { return [2]any{"uuid", u} }

// namedUUID refers to a row that the same transaction inserts under this name.
func namedUUID(name string) any { return [2]any{"named-uuid", name} }

func setValue[E any](elements []E) any {
	if elements == nil {
		elements = []E{} // null is no set
	}
	return [2]any{"set", elements}
}

func mapValue[K cmp.Ordered, V any](m map[K]V) any {
	pairs := make([][2]any, 0, len(m))
	for _, k := range sortedKeys(m) {
		pairs = append(pairs, [2]any{k, m[k]})
	}
	return [2]any{"map", pairs}
}
