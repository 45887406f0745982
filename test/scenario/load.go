package scenario

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// busyPerCPU is how many processes there are to each processor that want nothing but it.
const busyPerCPU = 2

// occupied is the part of all processors that they must have got, for the machine to have been loaded.
const occupied = 0.5

func parseLoad(w *words) action {
	d := time.Duration(w.number("seconds", 1, 120)) * time.Second
	return func(ctx context.Context, r *Run) error {
		end, err := occupy(ctx, busyPerCPU*runtime.NumCPU())
		if err == nil {
			select {
			case <-time.After(d):
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		took, endErr := end()
		if err = errors.Join(err, endErr); err != nil {
			return err
		}
		part := took.Seconds() / d.Seconds() / float64(runtime.NumCPU())
		r.log("measured: they had %.0f %% of all processors", 100*part)
		if part < occupied {
			return fmt.Errorf("the processes had only %.0f %% of all processors", 100*part)
		}
		return nil
	}
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
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := c.Start(); err != nil {
			return end, fmt.Errorf("load: %w", err)
		}
		all = append(all, c)
	}
	return end, nil
}
