package cloud

import (
	"context"
	"encoding/json"
	"errors"
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

// Settled returns an error as long as the switch does not have all that its controller wants.
func (ch *Chassis) Settled(ctx context.Context) error {
	out, err := ch.Ask(ctx, "status", "-o", "json")
	if err != nil {
		return err
	}
	var status struct {
		Phase    string            `json:"phase"`
		Complete bool              `json:"complete"`
		Troubles map[string]string `json:"troubles"`
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return fmt.Errorf("status of %s: %w", ch.Name(), err)
	}
	if !status.Complete || status.Phase != "idle" {
		return fmt.Errorf("%s has not settled: %+v", ch.Name(), status)
	}
	return nil
}

// Served returns an error until the chassis serves each of the ports.
func (ch *Chassis) Served(ctx context.Context, ports ...string) error {
	out, err := ch.Ask(ctx, "status", "-o", "json")
	if err != nil {
		return err
	}
	var status struct {
		Served []struct {
			ID      string `json:"id"`
			Settled bool   `json:"settled"`
		} `json:"served"`
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return fmt.Errorf("status of %s: %w", ch.Name(), err)
	}
	settled := map[string]bool{}
	for _, p := range status.Served {
		settled[p.ID] = p.Settled
	}
	var missing []error
	for _, id := range ports {
		if !settled[id] {
			missing = append(missing, fmt.Errorf("port %s is not served on %s", id, ch.Name()))
		}
	}
	return errors.Join(missing...)
}
