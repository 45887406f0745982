// Package archive writes the northbound database to a file and back: as a dump for people and programs
// that look at it, and as a backup that knows whether it is whole.
//
// Both are lines of JSON. Each scope is of one moment; scopes are read one after the other. What is
// bound to a lease, such as the chassis, is in a dump but not in a backup: it comes back by itself.
package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Version is that of the backup's format.
const Version = 1

// line is one stored value. Names that are not UTF-8 and values that are not JSON are in base64.
type line struct {
	Scope string `json:"scope,omitzero"`
	Kind  string `json:"kind,omitzero"`
	ID    string `json:"id,omitzero"`
	// Path is the storage key of a name that JSON cannot hold, instead of the three above.
	Path     string         `json:"path,omitzero"`
	Revision int64          `json:"db_revision"`
	Lease    int64          `json:"lease,omitzero"`
	Value    jsontext.Value `json:"value,omitzero"`
	Bytes    []byte         `json:"bytes,omitzero"`
}

// header is the first line of a backup, footer the last: its sum is the SHA-256 of everything before it.
type header struct {
	Version  int       `json:"dragonflow_backup"`
	Created  time.Time `json:"created"`
	Schema   int       `json:"schema"`
	Database string    `json:"database"`
}

type footer struct {
	Items  int    `json:"items"`
	SHA256 string `json:"sha256"`
}

// Info says what a backup holds.
type Info struct {
	Created  time.Time
	Database string
	Schema   int
	Scopes   int
	Items    int
}

// Dump writes everything, or everything in the given scopes, one line a value in the order of the keys.
func Dump(ctx context.Context, conn *db.Connection, w io.Writer, scopes ...string) error {
	wanted := make([]db.Scope, len(scopes))
	for i, s := range scopes {
		wanted[i] = db.Scope(s)
	}
	if len(scopes) == 0 {
		var err error
		if wanted, err = conn.Scopes(ctx); err != nil {
			return fmt.Errorf("dump: %w", err)
		}
	}
	out := bufio.NewWriter(w)
	for _, scope := range wanted {
		if _, err := writeScope(ctx, conn, out, scope, true); err != nil {
			return fmt.Errorf("dump: %w", err)
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("dump: %w", err)
	}
	return nil
}

// Backup writes everything that lasts.
func Backup(ctx context.Context, conn *db.Connection, w io.Writer) (Info, error) {
	info, err := backup(ctx, conn, w)
	if err != nil {
		return info, fmt.Errorf("backup: %w", err)
	}
	return info, nil
}

func backup(ctx context.Context, conn *db.Connection, w io.Writer) (Info, error) {
	info := Info{Created: time.Now().UTC().Truncate(time.Second), Database: conn.Name, Schema: model.SchemaVersion}
	scopes, err := conn.Scopes(ctx)
	if err != nil {
		return info, err
	}
	sum := sha256.New()
	out := bufio.NewWriter(w)
	both := io.MultiWriter(out, sum)
	if err := writeLine(both, header{Version, info.Created, info.Schema, info.Database}); err != nil {
		return info, err
	}
	for _, scope := range scopes {
		n, err := writeScope(ctx, conn, both, scope, false)
		if err != nil {
			return info, err
		}
		if n > 0 {
			info.Scopes, info.Items = info.Scopes+1, info.Items+n
		}
	}
	if err := writeLine(out, footer{info.Items, hex.EncodeToString(sum.Sum(nil))}); err != nil {
		return info, err
	}
	return info, out.Flush()
}

// writeScope writes the values of a scope and returns how many.
func writeScope(ctx context.Context, conn *db.Connection, w io.Writer, scope db.Scope, leased bool) (int, error) {
	items, _, err := conn.List(ctx, scope)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, it := range items {
		if it.Lease != 0 && !leased {
			continue
		}
		if err := writeLine(w, lineOf(it)); err != nil {
			return n, fmt.Errorf("%s: %w", it.Key, err)
		}
		n++
	}
	return n, nil
}

func lineOf(it db.Item) line {
	l := line{Scope: string(it.Key.Scope), Kind: it.Key.Kind, ID: it.Key.ID, Revision: int64(it.Revision), Lease: int64(it.Lease)}
	if _, err := json.Marshal(l); err != nil { // not UTF-8
		l.Scope, l.Kind, l.ID, l.Path = "", "", "", it.Key.Path()
	}
	if compact(it.Value) {
		l.Value = it.Value
	} else {
		l.Bytes = append([]byte{}, it.Value...)
	}
	return l
}

// compact reports whether a value is JSON that comes back byte for byte.
func compact(v []byte) bool {
	again, err := json.Marshal(jsontext.Value(v))
	return err == nil && bytes.Equal(again, v)
}

func (l *line) item() (db.Item, error) {
	it := db.Item{Key: db.Key{Scope: db.Scope(l.Scope), Kind: l.Kind, ID: l.ID}, Revision: db.Revision(l.Revision),
		Lease: db.LeaseID(l.Lease), Value: l.Value}
	if l.Value == nil {
		it.Value = l.Bytes
	}
	if (l.Value == nil) == (l.Bytes == nil) {
		return it, errors.New("a value needs either value or bytes")
	}
	if l.Path == "" {
		return it, it.Key.Check()
	}
	var err error
	it.Key, err = db.ParsePath(l.Path)
	return it, err
}

func writeLine(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// maxLine bounds a line of a backup, in bytes; a value in base64 and its key fit many times.
const maxLine = 64 << 20

// reader reads a backup line by line.
type reader struct {
	in   *bufio.Scanner
	sum  hash.Hash
	line int
}

func newReader(r io.Reader) *reader {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), maxLine)
	return &reader{in: in, sum: sha256.New()}
}

// next returns the next line without its end, or io.EOF.
func (r *reader) next() ([]byte, error) {
	if !r.in.Scan() {
		if err := r.in.Err(); err != nil {
			return nil, fmt.Errorf("line %d: %w", r.line+1, err)
		}
		return nil, io.EOF
	}
	r.line++
	return r.in.Bytes(), nil
}

func (r *reader) count(b []byte) {
	r.sum.Write(b)
	r.sum.Write([]byte{'\n'})
}

// ErrDamaged marks a file that is no backup, or not a whole one.
var ErrDamaged = errors.New("not a whole backup")

// read goes through a backup and calls each for its values. Only when it returns nil was the file whole
// and unchanged.
func read(from io.Reader, each func(db.Item) error) (Info, error) {
	r := newReader(from)
	var info Info
	first, err := r.next()
	if err != nil {
		return info, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var h header
	if err := json.Unmarshal(first, &h); err != nil || h.Version == 0 {
		return info, fmt.Errorf("%w: the first line is not a backup's", ErrDamaged)
	}
	if h.Version != Version || h.Schema > model.SchemaVersion {
		return info, fmt.Errorf("backup of version %d with schema %d: this program knows %d and %d", h.Version, h.Schema,
			Version, model.SchemaVersion)
	}
	info.Created, info.Database, info.Schema = h.Created, h.Database, h.Schema
	r.count(first)
	return r.items(info, each)
}

// items reads everything after the header.
func (r *reader) items(info Info, each func(db.Item) error) (Info, error) {
	scopes := map[db.Scope]struct{}{}
	for {
		b, err := r.next()
		if err != nil {
			return info, fmt.Errorf("%w: it ends after line %d: %w", ErrDamaged, r.line, err)
		}
		var end footer
		if json.Unmarshal(b, &end) == nil && end.SHA256 != "" {
			if end.SHA256 != hex.EncodeToString(r.sum.Sum(nil)) || end.Items != info.Items {
				return info, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
			}
			if _, err := r.next(); !errors.Is(err, io.EOF) {
				return info, fmt.Errorf("%w: something follows its end", ErrDamaged)
			}
			info.Scopes = len(scopes)
			return info, nil
		}
		var l line
		if err := json.Unmarshal(b, &l, json.RejectUnknownMembers(true)); err != nil {
			return info, fmt.Errorf("%w: line %d: %w", ErrDamaged, r.line, err)
		}
		it, err := l.item()
		if err != nil {
			return info, fmt.Errorf("%w: line %d: %w", ErrDamaged, r.line, err)
		}
		r.count(b)
		info.Items++
		scopes[it.Key.Scope] = struct{}{}
		if err := each(it); err != nil {
			return info, err
		}
	}
}

// Verify reads a backup and says what it holds, or what is wrong with it.
func Verify(r io.Reader) (Info, error) {
	info, err := read(r, func(db.Item) error { return nil })
	if err != nil {
		return info, fmt.Errorf("verify: %w", err)
	}
	return info, nil
}
