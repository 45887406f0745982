package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
)

// Text renders the desired flows of the owners that keep accepts, in pipeline order, with stage names,
// each with its owner and reason: the form of golden files and of documentation.
func (e *Engine) Text(keep func(Owner) bool) string {
	var list []*flow.Flow
	for f := range e.Flows() {
		if o, ok := e.OwnerOf(f.Cookie); ok && !keep(o) {
			continue
		}
		list = append(list, &f)
	}
	slices.SortFunc(list, compareFlows)
	var b strings.Builder
	last := ""
	for _, f := range list {
		if name := pipeline.StageName(f.Table); name != last {
			fmt.Fprintf(&b, "[%s]\n", name)
			last = name
		}
		x, _ := e.Explain(f.Key())
		owners := make([]string, len(x.Owners))
		for i, o := range x.Owners {
			owners[i] = o.String()
		}
		fmt.Fprintf(&b, "  priority=%d %s\n    actions=%s\n    # %s: %s\n", f.Priority, pipeline.Text().Match(f.Match),
			pipeline.Text().Instructions(f.Instructions), strings.Join(owners, ", "), x.Reason)
	}
	return b.String()
}
