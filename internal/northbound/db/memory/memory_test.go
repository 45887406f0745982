package memory

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/dbtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fault is a link as the suite sees it; in a process a stall is a cut.
type fault struct{ *Link }

func (f fault) Stall()  { f.Cut() }
func (f fault) Resume() { f.Restore() }

func TestConformance(t *testing.T) {
	var mu sync.Mutex
	stores := map[string]*Store{}
	connect := func(prefix string) (*db.Connection, *Link) {
		mu.Lock()
		defer mu.Unlock()
		if stores[prefix] == nil {
			stores[prefix] = New()
		}
		return stores[prefix].Connect()
	}
	dbtest.Run(t, &dbtest.Database{
		Open: func(_ testing.TB, prefix string) *db.Connection {
			c, _ := connect(prefix)
			return c
		},
		OpenFaulty: func(_ testing.TB, prefix string) (*db.Connection, dbtest.Fault) {
			c, l := connect(prefix)
			return c, fault{l}
		},
		OpenNowhere: func(testing.TB) *db.Connection {
			c, l := New().Connect()
			l.Cut()
			return c
		},
		Compact: func(testing.TB) {
			mu.Lock()
			defer mu.Unlock()
			for _, s := range stores {
				s.Compact()
			}
		},
		Slow: time.Second,
	})
}
