package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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

// cpu is how much processor time a process has used.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name may have spaces
	fields := strings.Fields(after)
	const user, system, perSecond = 11, 12, 100 // proc(5), from the state on; USER_HZ
	ticks := 0
	for _, i := range []int{user, system} {
		n, err := strconv.Atoi(fields[i])
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / perSecond
}
