package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/dragonflow/dragonflow/internal/lab"
)

// Daemon is a program of the cloud that can be killed and started again.
type Daemon struct {
	at      *lab.Namespace
	argv    []string
	process *lab.Process
	// ready tells whether it serves, by an error as long as it does not.
	ready func(context.Context) error
}

func newDaemon(at *lab.Namespace, argv ...string) *Daemon { return &Daemon{at: at, argv: argv} }

// Name is the program's, with the subcommand and where it runs.
func (d *Daemon) Name() string {
	return fmt.Sprintf("%s %s in %s", filepath.Base(d.argv[0]), d.argv[1], d.at.Name())
}

// Start starts the program and returns when it serves.
func (d *Daemon) Start(ctx context.Context) error {
	if err := d.Launch(); err != nil {
		return err
	}
	return d.Wait(ctx)
}

// Launch starts the program and does not wait until it serves.
func (d *Daemon) Launch() error {
	if d.Running() {
		return fmt.Errorf("start %s: it runs", d.Name())
	}
	p, err := d.at.Start(nil, d.argv...)
	if err == nil {
		d.process = p
	}
	return err
}

// Wait returns when the program serves.
func (d *Daemon) Wait(ctx context.Context) error {
	var ended error
	err := Eventually(ctx, Patience, func(ctx context.Context) error {
		if !d.Running() {
			ended = fmt.Errorf("%s ended:\n%s", d.Name(), d.Said())
			return nil
		}
		return d.ready(ctx)
	})
	if err != nil {
		return fmt.Errorf("%s does not serve: %w\n%s", d.Name(), err, d.Said())
	}
	return ended
}

// Running tells whether it runs.
func (d *Daemon) Running() bool {
	if d.process == nil {
		return false
	}
	select {
	case <-d.process.Done():
		return false
	default:
		return true
	}
}

// PID is the process number of the program that was started last.
func (d *Daemon) PID() int { return d.process.PID() }

// Signal sends a signal, such as SIGSTOP, which makes it hang, and SIGCONT.
func (d *Daemon) Signal(s syscall.Signal) error { return d.process.Signal(s) }

// Kill ends the program at once.
func (d *Daemon) Kill() {
	if d.process != nil {
		d.process.Kill()
	}
}

// Terminate asks the program to end and waits; that it does not end well is an error.
func (d *Daemon) Terminate() error {
	if !d.Running() {
		return nil
	}
	_ = d.process.Signal(syscall.SIGCONT) // somebody may have left it stopped
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	return d.process.Stop(ctx, syscall.SIGTERM)
}

// Said is the end of what the program wrote.
func (d *Daemon) Said() string {
	if d.process == nil {
		return ""
	}
	const most = 4000
	text := d.process.Output()
	return text[max(0, len(text)-most):]
}

// status is what a controller says of itself.
type status struct {
	Phase    string            `json:"phase"`
	Synced   bool              `json:"synced"`
	Complete bool              `json:"complete"`
	Troubles map[string]string `json:"troubles"`
}

func (ch *Chassis) status(ctx context.Context) (s status, err error) {
	out, err := ch.Ask(ctx, "status", "-o", "json")
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		return s, fmt.Errorf("status of %s: %w", ch.Name(), err)
	}
	return s, nil
}

// Settled returns an error as long as the switch does not have all that its controller wants.
func (ch *Chassis) Settled(ctx context.Context) error {
	s, err := ch.status(ctx)
	if err == nil && (!s.Complete || s.Phase != "idle") {
		err = fmt.Errorf("%s has not settled: %+v", ch.Name(), s)
	}
	return err
}

// Serves returns an error as long as the controller has not told its switch what it knows, be that old.
func (ch *Chassis) Serves(ctx context.Context) error {
	s, err := ch.status(ctx)
	if err == nil && (!s.Synced || s.Phase != "idle") {
		err = fmt.Errorf("%s does not serve: %+v", ch.Name(), s)
	}
	return err
}
