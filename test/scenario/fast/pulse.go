package fast

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/dragonflow/dragonflow/test/scenario"
)

const (
	beat = 50 * time.Millisecond
	// starving is how long this process, which is the network between the chassis, stands still at most for what a chassis
	// hears of another to be judged. Gateways are given up after 1.6 s of silence.
	starving = 400 * time.Millisecond
	// complaint is what a switch logs when it has stood still for a second or longer.
	complaint = "Unreasonably long"
)

// pulse measures for how long this process has stood still at most.
type pulse struct{ longest atomic.Int64 }

func (p *pulse) run(ctx context.Context) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for last := time.Now(); ; last = time.Now() {
		select {
		case <-tick.C:
			p.longest.Store(max(p.longest.Load(), int64(time.Since(last)-beat)))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// steady returns an error if a MAC address was seen at two places. On a machine that was too busy for the chassis to
// hear each other that says nothing.
func (p *Platform) steady() error {
	err := p.external.steady()
	if err == nil {
		return nil
	}
	if still := time.Duration(p.pulse.longest.Load()); still > starving {
		return scenario.NotJudged{Err: fmt.Errorf("%w; the network stood still for %v", err, still.Round(time.Millisecond))}
	}
	for name := range p.chassis {
		log, failed := os.ReadFile(filepath.Join(p.path(name), "ovs-vswitchd.log"))
		if failed != nil {
			return errors.Join(err, failed)
		}
		if bytes.Contains(log, []byte(complaint)) {
			return scenario.NotJudged{Err: fmt.Errorf("%w; the switch of %s stood still for a second or longer", err, name)}
		}
	}
	return err
}
