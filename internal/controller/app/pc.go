package app

import (
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// Ticker sends packets by itself.
type Ticker struct {
	// Every is how often Send is called.
	Every time.Duration
	// Send returns the packets to send now.
	Send func(r *view.Reader) []PacketOut
}

func callerPC() uintptr {
	var pcs [1]uintptr
	runtime.Callers(3, pcs[:])
	return pcs[0]
}

// Source renders a flow's PC as "file.go:12".
func Source(pc uintptr) string {
	if pc == 0 {
		return "?"
	}
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	dir := filepath.Base(filepath.Dir(f.File))
	return fmt.Sprintf("%s/%s:%d", dir, filepath.Base(f.File), f.Line)
}
