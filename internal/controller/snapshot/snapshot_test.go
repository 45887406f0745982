package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustOpen(t *testing.T, dir string) (*Log, *State) {
	t.Helper()
	l, s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, s
}

// same compares states but for the bytes dropped.
func same(t *testing.T, what string, got, want *State) {
	t.Helper()
	g := *got
	g.Dropped = want.Dropped
	if reflect.DeepEqual(*want, g) {
		return
	}
	if d := cmp.Diff(*want, g); d != "" {
		t.Fatalf("%s (-want +got):\n%.2000s", what, d)
	}
}

// scribbler makes random batches and the state that they lead to.
type scribbler struct {
	r     *rand.Rand
	state *State
}

func newScribbler() *scribbler { return &scribbler{rand.New(rand.NewPCG(3, 4)), newState()} }

func (w *scribbler) batch() []Record {
	scope := fmt.Sprint("network/", w.r.IntN(5))
	id := fmt.Sprint(w.r.IntN(40))
	all := []Record{
		Put{scope, "Port", id, bytes.Repeat([]byte{byte(w.r.Uint32())}, w.r.IntN(3000)), w.r.Int64()},
		Put{scope, "Port", id + "\x00/é", []byte{}, -1}, Remove{scope, "Port", id}, InSync{scope, w.r.Int64()},
		Assign{"port", id, w.r.Uint64()}, Release{"port", fmt.Sprint(w.r.IntN(40))},
		Learn{"Arrival", id, []byte(id), w.r.Int64()}, Unlearn{"Arrival", fmt.Sprint(w.r.IntN(40))},
	}
	if w.r.IntN(50) == 0 {
		all = append(all, Forget{scope})
	}
	w.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	out := all[:w.r.IntN(len(all)+1)]
	for _, rec := range out {
		rec.apply(w.state)
	}
	return out
}

// TestLog appends until the log was compacted several times, with restarts between.
func TestLog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	l, s := mustOpen(t, dir)
	same(t, "new", s, newState())
	w := newScribbler()
	rewrites, before := 0, l.file
	for i := range 6000 {
		seq, err := l.Append(w.batch()...)
		if err != nil || seq != uint64(i+1) || l.Seq() != seq {
			t.Fatalf("batch %d: number %d, %v", i, seq, err)
		}
		w.state.Seq = seq
		if l.compact != nil && i%300 == 0 { // wait, so that some are finished
			c := <-l.compact
			l.compact <- c
		}
		if l.file != before {
			rewrites, before = rewrites+1, l.file
		}
		if i%1500 == 700 {
			loaded, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "while open", loaded, w.state)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l, s = mustOpen(t, dir)
			same(t, "again", s, w.state)
			before = l.file
		}
	}
	if rewrites < 2 {
		t.Errorf("compacted %d times", rewrites)
	}
	for name, want := range map[string]os.FileMode{"": 0o700, fileName: 0o600, lockName: 0o600} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil || st.Mode().Perm() != want {
			t.Errorf("%q: mode %v, %v", name, st.Mode(), err)
		}
	}
}

// TestDamage cuts and changes a log at every byte: what is loaded is always the state after some batch,
// and its number says which.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir)
	states := []*State{newState()}
	w := newScribbler()
	w.batch()
	for range 12 {
		seq, err := l.Append(Put{"s", "k", fmt.Sprint(l.Seq()), []byte("value"), 1}, Remove{"s", "k", fmt.Sprint(l.Seq() - 3)})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Load(dir)
		if err != nil || s.Seq != seq || s.Dropped != 0 {
			t.Fatal(s, err)
		}
		states = append(states, s)
	}
	whole, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, b []byte) {
		t.Helper()
		s, good, err := read(bytes.NewReader(b), int64(len(b)))
		if errors.Is(err, errMagic) {
			return
		}
		if err != nil || good+s.Dropped != int64(len(b)) {
			t.Fatalf("%s: %v, %d good, %d dropped of %d", what, err, good, s.Dropped, len(b))
		}
		same(t, what, s, states[s.Seq])
	}
	for i := range whole {
		check(fmt.Sprint("cut at ", i), whole[:i])
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1 << (i % 8)
		check(fmt.Sprint("flipped at ", i), flipped)
	}
	check("twice", append(bytes.Clone(whole), whole[len(magic):]...))
	if err := os.WriteFile(filepath.Join(dir, fileName), append(whole, "rest of a write"...), 0o600); err != nil {
		t.Fatal(err)
	}
	l.Close()
	l, s := mustOpen(t, dir)
	same(t, "with a torn tail", s, states[12])
	if s.Dropped != 15 {
		t.Errorf("%d bytes dropped", s.Dropped)
	}
	if _, err := l.Append(Forget{"s"}); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(dir); err != nil || s.Seq != 13 || len(s.Scopes) != 0 {
		t.Errorf("after the tail: %+v %v", s, err)
	}
}

// TestPartOfABase: a rewritten log that is not whole does not pass for the whole.
func TestPartOfABase(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir)
	l.Advance(77)
	w := newScribbler()
	for range 2000 {
		w.batch()
	}
	if err := l.Rewrite(w.state.records); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := read(bytes.NewReader(b), int64(len(b)))
	w.state.Seq = 77
	if err != nil {
		t.Fatal(err)
	}
	same(t, "rewritten", s, w.state)
	s, _, err = read(bytes.NewReader(b[:len(b)-1]), int64(len(b)-1))
	if err != nil || s.Seq != 0 {
		t.Errorf("a part has number %d, %v", s.Seq, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	l, _ := mustOpen(t, dir)
	if _, _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "another controller") {
		t.Errorf("a second controller: %v", err)
	}
	l.Close()
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte("something else entirely"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); !errors.Is(err, errMagic) {
		t.Errorf("another file: %v", err)
	}
	_, s := mustOpen(t, dir)
	same(t, "another file", s, newState())
	if kept, err := os.ReadFile(filepath.Join(dir, fileName+".unknown")); err != nil || !strings.HasPrefix(string(kept), "something") {
		t.Errorf("the other file is gone: %v", err)
	}
	if _, _, err := Open("/proc/nothing"); err == nil || !strings.Contains(err.Error(), "/proc/nothing") {
		t.Errorf("a directory that cannot be: %v", err)
	}
}

// TestFullDisk fills a small file system: Append says so and counts on, what was written before is
// still good, and Rewrite repairs the log once there is room.
func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to mount a small file system")
		}
		t.Skip("needs root to mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	l, _ := mustOpen(t, dir)
	var err error
	var last uint64
	for err == nil {
		last = l.Seq()
		_, err = l.Append(Put{"s", "k", "i", make([]byte, 100_000), int64(last) + 1})
	}
	if !errors.Is(err, syscall.ENOSPC) || l.Broken() == nil || l.Seq() != last+1 {
		t.Fatalf("%v, number %d after %d", err, l.Seq(), last)
	}
	if seq, err := l.Append(Forget{"s"}); err == nil || seq != last+2 {
		t.Errorf("append to a broken log: %d %v", seq, err)
	}
	s, err := Load(dir)
	if err != nil || s.Seq != last || s.Scopes["s"].Objects[Name{"k", "i"}].Revision != int64(last) {
		t.Errorf("loaded number %d, want %d: %v", s.Seq, last, err)
	}
	if err := l.Rewrite(func(func(Record) bool) {}); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(dir); err != nil || s.Seq != last+2 || len(s.Scopes) != 0 || l.Broken() != nil {
		t.Errorf("after the rewrite: %+v %v", s, err)
	}
}

func TestHeld(t *testing.T) {
	s := newState()
	Put{"network/n", "Port", "p", []byte("v"), 7}.apply(s)
	InSync{"network/n", 9}.apply(s)
	items, rev := s.Held("network/n")
	if len(items) != 1 || items[0].Key.String() != "network/n/Port/p" || items[0].Revision != 7 || rev != 9 {
		t.Errorf("%+v %d", items, rev)
	}
	if items, rev := s.Held("other"); items != nil || rev != 0 {
		t.Errorf("%+v %d", items, rev)
	}
}

func FuzzRead(f *testing.F) {
	b := []byte(magic)
	b, _ = appendFrame(b, 0, Put{"s", "k", "i", []byte("v"), 3}, InSync{"s", 4})
	b, _ = appendFrame(b, 7, Assign{"port", "p", 1}, Remove{"s", "k", "i"}, Release{"port", "p"}, Forget{"s"},
		Learn{"Arrival", "p", []byte("{}"), 5}, Unlearn{"Arrival", "q"})
	f.Add(b)
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, good, err := read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if good+s.Dropped != int64(len(b)) {
			t.Fatalf("%d good and %d dropped of %d", good, s.Dropped, len(b))
		}
		again, _, err := read(bytes.NewReader(b[:good]), good)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the good part", again, s)
	})
}

// FuzzDecode leaves out the checksum, which no fuzzer gets past.
func FuzzDecode(f *testing.F) {
	b, _ := appendFrame(nil, 7, Put{"s", "k", "i", []byte("v"), 3}, Assign{"port", "p", 1}, InSync{"s", -1},
		Learn{"Arrival", "p", []byte("{}"), 5}, Unlearn{"Arrival", "p"})
	f.Add(b[frameHeader:])
	f.Fuzz(func(t *testing.T, payload []byte) {
		seq, records, err := decode(payload)
		if err != nil {
			return
		}
		s := newState()
		for _, r := range records {
			r.apply(s)
		}
		again, err := appendFrame(nil, seq, records...)
		if err != nil {
			t.Fatal(err)
		}
		seq2, records2, err := decode(again[frameHeader:])
		if err != nil || seq2 != seq {
			t.Fatal(err)
		}
		if d := cmp.Diff(records, records2); d != "" {
			t.Fatal(d)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	l, _, err := Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	value := make([]byte, 700)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := l.Append(Put{"network/n/ports", "Port", fmt.Sprint(i % 10_000), value, int64(i)}); err != nil {
			b.Fatal(err)
		}
	}
}
