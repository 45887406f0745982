package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/dragonflow/dragonflow/internal/testkit/packet"
)

// casts are the statements about frames to many.
func casts() map[string]statement {
	return map[string]statement{
		"cast": {"cast GUEST broadcast|multicast|multicast6 seen by GUEST… [unseen by GUEST…]: each sees it once", parseCast},
	}
}

func parseCast(w *words) action {
	from := w.name(aGuest)
	kind := w.oneOf("broadcast", "multicast", "multicast6")
	w.expect("seen")
	w.expect("by")
	seen := w.namesOf(aGuest)
	if len(seen) == 0 {
		w.name(aGuest)
	}
	var unseen []string
	if w.accept("unseen") {
		w.expect("by")
		unseen = w.namesOf(aGuest)
	}
	return func(ctx context.Context, r *Run) error { return r.cast(ctx, r.machines[from], kind, seen, unseen) }
}

const discard = 9 // RFC 863: nobody answers

// datagram is one to everybody, or to a group; n tells it from others.
func (m *machine) datagram(kind string, n uint16) ([]byte, error) {
	a, err := m.address(kind == "multicast6")
	if err != nil {
		return nil, err
	}
	mac, to := packet.Broadcast, netip.AddrFrom4([4]byte{255, 255, 255, 255})
	switch kind {
	case "multicast":
		mac, to = "01:00:5e:01:02:03", netip.AddrFrom4([4]byte{239, 1, 2, 3})
	case "multicast6":
		mac, to = "33:33:00:01:02:03", netip.MustParseAddr("ff05::1:203")
	}
	return packet.Build(packet.Ethernet(m.mac, mac), packet.IP(a, to), packet.UDP(discard, discard),
		packet.Payload(fmt.Sprint(m.name, n))), nil
}

// cast sends a datagram until everybody has it who should; once that works, it sends another, and counts: nobody has
// it twice, and the others have it not at all.
func (r *Run) cast(ctx context.Context, from *machine, kind string, seen, unseen []string) (err error) {
	out, err := from.Wire(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	wires := map[string]Wire{}
	for _, name := range append(append([]string{}, seen...), unseen...) {
		w, err := r.machines[name].Wire(ctx)
		if err != nil {
			return err
		}
		wires[name] = w
		defer func() { err = errors.Join(err, w.Close()) }()
	}
	n := uint16(rand.Uint32())
	first, err1 := from.datagram(kind, n)
	second, err2 := from.datagram(kind, n+1)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	err = eventually(ctx, func(context.Context) error { return errors.Join(out.Send(first), sees(wires, seen, first)) })
	if err != nil {
		return err
	}
	if err := out.Send(second); err != nil {
		return err
	}
	if err := eventually(ctx, func(context.Context) error { return sees(wires, seen, second) }); err != nil {
		return err
	}
	var wrong []error
	for name, w := range wires {
		switch got := count(w, second); {
		case got > 1:
			wrong = append(wrong, fmt.Errorf("%s has it %d times", name, got))
		case slices.Contains(unseen, name) && (got > 0 || count(w, first) > 0):
			wrong = append(wrong, fmt.Errorf("%s has it", name))
		}
	}
	return errors.Join(wrong...)
}

// sees returns an error unless all have the frame.
func sees(wires map[string]Wire, names []string, frame []byte) error {
	for _, name := range names {
		if count(wires[name], frame) == 0 {
			return fmt.Errorf("%s does not see it, but\n%s", name, packet.Summaries(wires[name].Seen()))
		}
	}
	return nil
}

func count(w Wire, frame []byte) (n int) {
	for _, f := range w.Seen() {
		if same(f, frame) {
			n++
		}
	}
	return n
}

// same says whether two frames are the same but for what fills short ones, which some switches take away.
func same(a, b []byte) bool {
	return bytes.Equal(bytes.TrimRight(a, "\x00"), bytes.TrimRight(b, "\x00"))
}
