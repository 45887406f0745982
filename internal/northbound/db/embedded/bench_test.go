package embedded

import (
	"fmt"
	"testing"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// BenchmarkPutToWatch measures one synced write until a watch has it.
func BenchmarkPutToWatch(b *testing.B) {
	c := open1(b, b.TempDir(), "/p")
	defer c.Close()
	events, err := c.Watch(b.Context(), "s")
	if err != nil {
		b.Fatal(err)
	}
	<-events
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		op := db.Op{Verb: db.Put, Key: db.Key{Scope: "s", Kind: "k", ID: fmt.Sprint(i % 1000)}, If: db.AnyRevision, Value: make([]byte, 600)}
		if _, err := c.Apply(b.Context(), []db.Op{op}); err != nil {
			b.Fatal(err)
		}
		<-events
	}
}

// BenchmarkScopes2000 measures until 2,000 watches have the content of their scopes.
func BenchmarkScopes2000(b *testing.B) {
	c := open1(b, b.TempDir(), "/p")
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		var all []<-chan []db.Event
		for i := range 2000 {
			events, err := c.Watch(b.Context(), db.Scope(fmt.Sprint("network/", i)))
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, events)
		}
		for _, events := range all {
			<-events
		}
	}
}
