package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dragonflow/dragonflow/internal/operate"
)

// Asker is a platform of which dragonflow why can be asked.
type Asker interface {
	// Why answers as the subcommand does on a chassis.
	Why(ctx context.Context, chassis string, q operate.Question) (*operate.Answer, error)
}

// Tracer is a platform that compares what dragonflow trace says with what the switches' own traces say.
type Tracer interface {
	// Agree compares every kind of packet that machines sent since the last time.
	Agree(ctx context.Context) error
}

// because reads the reason that dragonflow why is to give: the rest of the line, nothing if there is none.
func (w *words) because() string {
	if !w.accept("because") {
		return ""
	}
	var reason []string
	for w.word("a reason"); w.err == nil; w.word("") {
		if reason = append(reason, w.list[w.next-1]); !w.more() {
			break
		}
	}
	return strings.Join(reason, " ")
}

// explained asks dragonflow why about a packet that did not arrive, until it says so: that it is not delivered, and for
// the reason, if one is given.
func (r *Run) explained(ctx context.Context, from *machine, q operate.Question, because string) error {
	asker, can := r.platform.(Asker)
	if !can || from.chassis == "" { // of hosts outside nobody knows anything
		return nil
	}
	q.Port = from.port
	return eventually(ctx, func(ctx context.Context) error {
		ans, err := asker.Why(ctx, from.chassis, q)
		switch {
		case err != nil:
			return fmt.Errorf("dragonflow why: %w", err)
		case ans.Passes && !strings.HasPrefix(because, "delivered"): // to a machine that does not want it
			return fmt.Errorf("it does not arrive, but dragonflow why says: %s", ans.Sentence)
		case ans.Sentence == "" || len(ans.Fates) == 0 && because == "" && ans.Journey != nil:
			return errors.New("dragonflow why says nothing")
		case !strings.Contains(ans.Sentence, because):
			return fmt.Errorf("dragonflow why says %q, not %q", ans.Sentence, because)
		}
		if because == "" {
			r.log("           why: %s", ans.Sentence)
		}
		return nil
	})
}
