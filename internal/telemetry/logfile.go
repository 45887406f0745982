package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"
)

// LogFile is a file of lines, each given in one Write, which never waits for a disk. The file may be moved away: within a
// second there is a new one at the path. It may be truncated as well.
type LogFile struct {
	path  string
	lines chan []byte
	lost  func()
	file  *os.File
}

// LogFile's queue, and how often it looks whether its file is still at the path.
const (
	queuedLines = 4096
	lookEvery   = time.Second
	fileMode    = 0o640
)

// OpenLogFile opens a file for lines, or makes it, readable by owner and group. lost is called for each line that is not
// written, from any goroutine.
func OpenLogFile(path string, lost func()) (*LogFile, error) {
	f := &LogFile{path: path, lines: make(chan []byte, queuedLines), lost: lost}
	return f, f.open()
}

func (f *LogFile) open() (err error) {
	if f.file, err = os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, fileMode); err != nil {
		return fmt.Errorf("open %s: %w", f.path, err)
	}
	return nil
}

// Write queues a line; one that does not fit is lost. It may be called by several goroutines and always succeeds.
func (f *LogFile) Write(line []byte) (int, error) {
	select {
	case f.lines <- slices.Clone(line):
	default:
		f.lost()
	}
	return len(line), nil
}

// Run writes until ctx ends, and then what is queued. What fails is told to log, once until a line is written again.
func (f *LogFile) Run(ctx context.Context, log *slog.Logger) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	failing := false
	note := func(err error) {
		if err != nil && !failing {
			log.Warn("lines of a log are not written", "file", f.path, "err", err)
		}
		failing = err != nil
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case line := <-f.lines:
			note(f.put(line))
		case <-look.C:
			if f.moved() {
				note(f.reopen())
			}
		}
	}
	for len(f.lines) > 0 {
		note(f.put(<-f.lines))
	}
	note(f.file.Close())
}

func (f *LogFile) put(line []byte) error {
	if _, err := f.file.Write(line); err != nil {
		f.lost()
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	return nil
}

// moved reports whether the file at the path is not the one that is open.
func (f *LogFile) moved() bool {
	mine, err := f.file.Stat()
	if err != nil {
		return true
	}
	there, err := os.Stat(f.path)
	return err != nil || !os.SameFile(mine, there)
}

// reopen keeps the old file if there is no new one.
func (f *LogFile) reopen() error {
	old := f.file
	if err := f.open(); err != nil {
		f.file = old
		return err
	}
	if err := old.Close(); err != nil {
		return fmt.Errorf("close the log that was moved away: %w", err)
	}
	return nil
}
