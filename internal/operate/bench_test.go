package operate_test

import (
	"fmt"
	"testing"

	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

// BenchmarkWhy measures how long a question keeps a controller with many local ports from other work.
func BenchmarkWhy(b *testing.B) {
	for _, n := range []int{100, 5000} {
		c := newCloud(b)
		for i := range n {
			p := apptest.Port(fmt.Sprint("more", i), "n", 0, fmt.Sprintf("10.0.%d.%d", 1+i/250, 1+i%250))
			p.MACAddress, p.SecurityGroups = model.MAC{0xfa, 0x16, 0x3f, 0, byte(i >> 8), byte(i)}, []string{"g-web"}
			c.Set(p, apptest.Bind(p), apptest.Plug(p, uint32(i)+10))
		}
		c.Engine.Step()
		b.Run(fmt.Sprint(n, " ports"), func(b *testing.B) {
			b.ReportMetric(float64(c.Engine.FlowCount()), "flows")
			for b.Loop() {
				if _, err := operate.Why(c.world(), operate.Question{Port: "web1", Dst: "db1", What: "tcp/5432"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
