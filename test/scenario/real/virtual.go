package real

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/dragonflow/dragonflow/test/scenario"
)

// onKeepalived starts or ends keepalived in a guest. At the end it gives its addresses away.
func (p *Platform) onKeepalived(ctx context.Context, a scenario.Action) error {
	g := p.guests[a.Name]
	config := g.File("keepalived.conf")
	if a.Config != "" {
		if err := os.WriteFile(config, []byte(a.Config), 0o600); err != nil {
			return err
		}
	}
	switch running := p.virtual[a.Name]; {
	case a.Verb == scenario.Start && running == nil:
		process, err := g.Start(nil, "keepalived", "--dont-fork", "--log-console", "--vrrp", "--use-file="+config,
			"--pid="+g.File("keepalived.pid"), "--vrrp_pid="+g.File("vrrp.pid"))
		if err != nil {
			return fmt.Errorf("keepalived in %s: %w", a.Name, err)
		}
		p.virtual[a.Name] = process
		return nil
	case a.Verb == scenario.Stop && running != nil:
		delete(p.virtual, a.Name)
		return running.Stop(ctx, syscall.SIGTERM)
	}
	return fmt.Errorf("%s keepalived in %s: %w", a.Verb, a.Name, errors.ErrUnsupported)
}
