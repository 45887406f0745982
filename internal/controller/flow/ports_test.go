package flow_test

import (
	"testing"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
)

func TestPortMasksAreTheRange(t *testing.T) {
	t.Parallel()
	for _, r := range [][2]uint16{{0, 65535}, {1, 65535}, {80, 80}, {1000, 1999}, {65535, 65535}, {32768, 65534}, {9, 8}} {
		masks := flow.PortMasks(r[0], r[1])
		if len(masks) > 30 {
			t.Errorf("%v needs %d blocks", r, len(masks))
		}
		for p := range 1 << 16 {
			n := 0
			for _, m := range masks {
				if uint16(p)&m.Mask == m.Value {
					n++
				}
			}
			if in := p >= int(r[0]) && p <= int(r[1]); in != (n == 1) || n > 1 {
				t.Fatalf("%v: port %d is in %d blocks", r, p, n)
			}
		}
	}
}
