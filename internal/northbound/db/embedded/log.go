package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// zap returns a logger for etcd: its errors become ours, its warnings are for debugging, and so is what it
// says while it is stopped, when it takes each listener that is closed for an error. What it wants to
// die of ends only the goroutine that wants to.
func (s *server) zap() *zap.Logger {
	core := &logCore{log: s.log.With("component", "etcd"), ending: &s.ending}
	return zap.New(core, zap.WithFatalHook(fatalHook{s}), zap.WithPanicHook(fatalHook{s}))
}

// fatalHook is what etcd calls instead of ending the process.
type fatalHook struct{ server *server }

// OnWrite notes the failure and ends the goroutine.
func (h fatalHook) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	cause := "etcd: " + e.Message
	err := errors.New(cause)
	for _, f := range fields {
		if reason, ok := f.Interface.(error); ok {
			err = fmt.Errorf("%s: %w", cause, reason)
		}
	}
	h.server.fail(err)
	runtime.Goexit()
}

// logCore passes zap's entries on to slog.
type logCore struct {
	log    *slog.Logger
	ending *atomic.Bool
	fields []zapcore.Field
}

// Enabled implements [zapcore.Core].
func (c *logCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

// With implements [zapcore.Core].
func (c *logCore) With(fields []zapcore.Field) zapcore.Core {
	return &logCore{c.log, c.ending, append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

// Check implements [zapcore.Core].
func (c *logCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Write implements [zapcore.Core].
func (c *logCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	level := slog.LevelDebug
	if e.Level >= zapcore.ErrorLevel && !c.ending.Load() {
		level = slog.LevelError
	}
	if !c.log.Enabled(context.Background(), level) {
		return nil
	}
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range c.fields {
		f.AddTo(enc)
	}
	for _, f := range fields {
		f.AddTo(enc)
	}
	attrs := make([]slog.Attr, 0, len(enc.Fields))
	for k, v := range enc.Fields {
		attrs = append(attrs, slog.Any(strings.ReplaceAll(k, "-", "_"), v))
	}
	c.log.LogAttrs(context.Background(), level, e.Message, attrs...) //nolint:sloglint // the message is etcd's
	return nil
}

// Sync implements [zapcore.Core].
func (c *logCore) Sync() error { return nil }
