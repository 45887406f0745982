package app

import (
	"fmt"
	"path/filepath"
	"runtime"
)

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
