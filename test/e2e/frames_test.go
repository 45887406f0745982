package e2e

import (
	"slices"

	"github.com/dragonflow/dragonflow/internal/lab"
)

// wire opens the guest's interface until the end of the test. With listen, what arrives is kept.
func (g *guest) wire(listen bool) *lab.Wire {
	g.c.t.Helper()
	w, err := g.Wire(listen)
	if err != nil {
		g.c.t.Fatal(err)
	}
	g.c.t.Cleanup(func() {
		if err := w.Close(); err != nil {
			g.c.t.Errorf("close the wire of %s: %v", g.Name(), err)
		}
	})
	return w
}

// arrived says whether a frame has come that satisfies the condition.
func arrived(w *lab.Wire, condition func([]byte) bool) bool {
	return slices.ContainsFunc(w.Seen(), condition)
}
