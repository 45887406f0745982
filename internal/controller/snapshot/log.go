package snapshot

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"syscall"
)

const (
	fileName = "view.log"
	tempName = "view.log.new"
	lockName = "view.lock"
	// leastCompact is the size below which a log is not worth compacting.
	leastCompact = 1 << 20
)

// Log is an open log. It is for one goroutine.
type Log struct {
	dir  string
	lock *os.File
	file *os.File
	seq  uint64
	// size is how many bytes of the file are good, base how many there were after the last rewrite.
	size, base int64
	// broken says why the file no longer has everything that was appended; nil if it has.
	broken  error
	buf     []byte
	compact chan compaction // of the one under way, or nil
}

// compaction is the outcome of rewriting the first part of the log.
type compaction struct {
	file *os.File
	// size is the new file's, of the old one's first upTo bytes.
	size, upTo int64
	err        error
}

// Open opens the log in a state directory, which it makes with mode 0700 if need be, and returns what
// it holds. What is damaged at its end is cut off. A file that is not a log of this version is kept
// aside under another name. Only one process can have the directory open.
func Open(dir string) (*Log, *State, error) {
	l, s, err := open(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("open view log in %s: %w", dir, err)
	}
	return l, s, nil
}

func open(dir string) (_ *Log, _ *State, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	l := &Log{dir: dir}
	defer func() {
		if err != nil {
			_ = l.Close()
		}
	}()
	if l.lock, err = os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, nil, err
	}
	if err := syscall.Flock(int(l.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, nil, fmt.Errorf("another controller has it open: %w", err)
	}
	s, err := l.load()
	if errors.Is(err, errMagic) {
		if err := l.setAside(); err != nil {
			return nil, nil, err
		}
		s, err = l.load()
	}
	if err != nil {
		return nil, nil, err
	}
	l.seq = s.Seq
	return l, s, nil
}

// Load reads the log in a state directory without changing anything, also while a controller has it
// open. Without a log the state is empty.
func Load(dir string) (*State, error) {
	f, err := os.Open(filepath.Join(dir, fileName))
	if errors.Is(err, os.ErrNotExist) {
		return newState(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("load view log: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("load view log: %w", err)
	}
	s, _, err := read(f, st.Size())
	if err != nil {
		return nil, fmt.Errorf("load view log %s: %w", f.Name(), err)
	}
	return s, nil
}

// load opens the file and replays it.
func (l *Log) load() (*State, error) {
	f, err := os.OpenFile(filepath.Join(l.dir, fileName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	l.file = f
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s, good, err := read(f, st.Size())
	if err != nil {
		return nil, err
	}
	if good == 0 {
		if _, err := f.WriteAt([]byte(magic), 0); err != nil {
			return nil, err
		}
		good = int64(len(magic))
	}
	if err := f.Truncate(good); err != nil {
		return nil, err
	}
	l.size, l.base = good, good
	return s, nil
}

func (l *Log) setAside() error {
	_ = l.file.Close()
	name := filepath.Join(l.dir, fileName)
	return os.Rename(name, name+".unknown")
}

// Seq is the number of the last batch.
func (l *Log) Seq() uint64 { return l.seq }

// ErrBehind says that the switch has more than the log ever knew.
var ErrBehind = errors.New("the view log is older than what the switch has")

// Advance makes the next batch's number higher than seq. A controller calls it with the number that it
// finds in the switch. If that is higher than the log's, the log misses what led to it, and is broken by
// ErrBehind: it must not count up to the switch's number, and pass for as new, before Rewrite has put
// into it what the whole view is.
func (l *Log) Advance(seq uint64) {
	if seq <= l.seq {
		return
	}
	l.seq = seq
	if l.broken == nil {
		l.broken = ErrBehind
	}
}

// Broken says why the log no longer has everything that was appended, or nil. A broken log takes no
// more until Rewrite succeeds.
func (l *Log) Broken() error { return l.broken }

// Append adds a batch, before the switch is told of it, and returns its number. The number counts on
// also when there is an error, such as a full disk: the caller goes on with it, so that the switch is
// then ahead of the log, and repairs the log by Rewrite. Values are not kept.
func (l *Log) Append(records ...Record) (uint64, error) {
	l.seq++
	if l.broken != nil {
		return l.seq, fmt.Errorf("append to view log: %w", l.broken)
	}
	l.finishCompaction(false)
	var err error
	if l.buf, err = appendFrame(l.buf[:0], l.seq, records...); err != nil {
		return l.seq, l.breakDown(err)
	}
	if _, err := l.file.WriteAt(l.buf, l.size); err != nil {
		return l.seq, l.breakDown(err)
	}
	l.size += int64(len(l.buf))
	if cap(l.buf) > baseFrame {
		l.buf = nil
	}
	if l.compact == nil && l.size > leastCompact && l.size > 2*l.base {
		l.startCompaction()
	}
	return l.seq, nil
}

// breakDown notes that a batch is missing and cuts off what there may be of it.
func (l *Log) breakDown(err error) error {
	l.broken = err
	_ = l.file.Truncate(l.size)
	return fmt.Errorf("append to view log: %w", err)
}

// Rewrite replaces the log by what makes the whole view, as of the last batch, and so repairs it.
func (l *Log) Rewrite(records iter.Seq[Record]) error {
	l.finishCompaction(true)
	f, size, err := writeBase(l.dir, l.seq, records)
	if err != nil {
		return fmt.Errorf("rewrite view log: %w", err)
	}
	if err := l.replace(f, size); err != nil {
		_ = f.Close()
		return fmt.Errorf("rewrite view log: %w", err)
	}
	l.broken = nil
	return nil
}

// replace makes a finished new file the log.
func (l *Log) replace(f *os.File, size int64) error {
	if err := os.Rename(filepath.Join(l.dir, tempName), filepath.Join(l.dir, fileName)); err != nil {
		return err
	}
	_ = l.file.Close()
	l.file, l.size, l.base = f, size, size
	return nil
}

// startCompaction rewrites the log as it is now, beside the appending.
func (l *Log) startCompaction() {
	done, from, upTo, dir := make(chan compaction, 1), l.file, l.size, l.dir
	l.compact = done
	go func() { // ends by itself; finishCompaction takes its result
		c := compaction{upTo: upTo}
		var s *State
		if s, _, c.err = read(io.NewSectionReader(from, 0, upTo), upTo); c.err == nil {
			c.file, c.size, c.err = writeBase(dir, s.Seq, s.records)
		}
		done <- c
	}()
}

// finishCompaction puts the rewritten log in place, once it is there, with what was appended meanwhile.
// With abandon it waits and throws it away. A compaction that failed leaves the log as it was.
func (l *Log) finishCompaction(abandon bool) {
	if l.compact == nil {
		return
	}
	var c compaction
	if abandon {
		c = <-l.compact
	} else {
		select {
		case c = <-l.compact:
		default:
			return
		}
	}
	l.compact = nil
	if c.err == nil && !abandon {
		since := io.NewSectionReader(l.file, c.upTo, l.size-c.upTo)
		var n int64
		if n, c.err = io.Copy(io.NewOffsetWriter(c.file, c.size), since); c.err == nil {
			c.err = l.replace(c.file, c.size+n)
		}
	}
	if c.err == nil && !abandon {
		return
	}
	l.base = l.size // not again before it has doubled once more
	if c.file != nil {
		_ = c.file.Close()
		_ = os.Remove(c.file.Name())
	}
}

// writeBase writes a new file with a whole state. Only its last frame has the sequence number, so that
// a part of it never passes for the whole.
func writeBase(dir string, seq uint64, records iter.Seq[Record]) (_ *os.File, _ int64, err error) {
	f, err := os.OpenFile(filepath.Join(dir, tempName), os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	size := int64(0)
	write := func(b []byte) {
		if err == nil {
			var n int
			n, err = f.WriteAt(b, size)
			size += int64(n)
		}
	}
	write([]byte(magic))
	var buf []byte
	for frame := range frames(records) {
		if buf, err = appendFrame(buf[:0], 0, frame...); err != nil {
			return nil, 0, err
		}
		if write(buf); err != nil {
			return nil, 0, err
		}
	}
	if buf, err = appendFrame(buf[:0], seq); err == nil {
		write(buf)
	}
	if err == nil {
		err = f.Sync()
	}
	return f, size, err
}

// frames cuts records into pieces of about baseFrame bytes.
func frames(records iter.Seq[Record]) iter.Seq[[]Record] {
	return func(yield func([]Record) bool) {
		var piece []Record
		size := 0
		for r := range records {
			piece = append(piece, r)
			size += 64
			if p, ok := r.(Put); ok {
				size += len(p.Value)
			}
			if size >= baseFrame {
				if !yield(piece) {
					return
				}
				piece, size = piece[:0], 0
			}
		}
		if len(piece) > 0 {
			yield(piece)
		}
	}
}

// Close ends the use of the directory; the log stays.
func (l *Log) Close() error {
	l.finishCompaction(true)
	var errs []error
	for _, f := range []*os.File{l.file, l.lock} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
