package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// busyPerCPU is how many processes there are to each processor that want nothing but it.
const busyPerCPU = 2

// idle is the part of the processors' time that may be left over, for the machine to have been loaded.
const idle = 0.05

func parseLoad(w *words) action {
	d := time.Duration(w.number("seconds", 1, 120)) * time.Second
	return func(ctx context.Context, r *Run) error {
		before, err := processors()
		if err != nil {
			return err
		}
		end, err := occupy(ctx, busyPerCPU*runtime.NumCPU())
		if err == nil {
			select {
			case <-time.After(d):
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		took, endErr := end()
		after, statErr := processors()
		if err = errors.Join(err, endErr, statErr); err != nil {
			return err
		}
		left := (after.idle - before.idle) / (after.all - before.all)
		r.log("measured: of all processors they had %.0f %%, and %.1f %% were left", 100*took.Seconds()/d.Seconds()/float64(runtime.NumCPU()), 100*left)
		if left > idle {
			return fmt.Errorf("%.1f %% of all processors were left", 100*left)
		}
		return nil
	}
}

// spent is how much time the processors have spent since the machine started, in the kernel's ticks.
type spent struct{ idle, all float64 }

// processors reads it (proc_stat(5)).
func processors() (spent, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return spent{}, fmt.Errorf("load: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	var s spent
	for i, field := range strings.Fields(line) {
		if i == 0 || i > 8 { // "cpu", and what guests had, which counts as the user's already
			continue
		}
		ticks, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return spent{}, fmt.Errorf("load: /proc/stat: %w", err)
		}
		s.all += ticks
		if i == 4 || i == 5 { // idle, and idle with I/O under way
			s.idle += ticks
		}
	}
	return s, nil
}

// occupy starts processes that compute for ever, until end is called, which tells for how long they did, or this process
// is gone.
func occupy(ctx context.Context, processes int) (end func() (time.Duration, error), err error) {
	var all []*exec.Cmd
	end = func() (took time.Duration, err error) {
		for _, c := range all {
			err = errors.Join(err, c.Process.Kill())
			_ = c.Wait() // it says that it was killed
			took += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
		}
		return took, err
	}
	for range processes {
		c := exec.CommandContext(ctx, "sh", "-c", "while :; do :; done")
		// Some schedulers share out the processors among sessions: these are not to share what the test's own gets.
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: true}
		if err := c.Start(); err != nil {
			return end, fmt.Errorf("load: %w", err)
		}
		all = append(all, c)
	}
	return end, nil
}
