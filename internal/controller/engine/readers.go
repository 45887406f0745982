package engine

import (
	"iter"
	"slices"

	"github.com/dragonflow/dragonflow/internal/controller/view"
)

// readerList is the evaluations that read a node, which are kept with the node: nearly always there is one, which
// is kept as such, sometimes a few, and sometimes tens of thousands. Those go in the order in which they came, as a
// rule, so looking for one from the beginning is quick; a set would cost several times the memory.
type readerList struct{ list []*eval }

// addReader adds an evaluation that is not a reader yet.
func addReader(n *view.Node, ev *eval) {
	switch have := n.Readers.(type) {
	case nil:
		n.Readers = ev
	case *eval:
		n.Readers = &readerList{[]*eval{have, ev}}
	case *readerList:
		have.list = append(have.list, ev)
	}
}

func removeReader(n *view.Node, ev *eval) {
	have, several := n.Readers.(*readerList)
	if !several {
		n.Readers = nil
		return
	}
	last := len(have.list) - 1
	i := slices.Index(have.list, ev)
	have.list[i], have.list[last] = have.list[last], nil
	have.list = have.list[:last]
	switch {
	case last == 1:
		n.Readers = have.list[0]
	case last < cap(have.list)/4:
		have.list = slices.Clone(have.list)
	}
}

// readers yields the evaluations that read a node.
func readers(n *view.Node) iter.Seq[*eval] {
	switch have := n.Readers.(type) {
	case *eval:
		return func(yield func(*eval) bool) { yield(have) }
	case *readerList:
		return slices.Values(have.list)
	}
	return func(func(*eval) bool) {}
}

// maxDistinct is how many reads of an evaluation are looked through for repetitions while they are noted.
const maxDistinct = 64

// distinct takes the repetitions out of many reads.
func distinct(nodes []*view.Node) []*view.Node {
	if len(nodes) <= maxDistinct {
		return nodes
	}
	seen := make(map[*view.Node]struct{}, len(nodes))
	return slices.DeleteFunc(nodes, func(n *view.Node) bool {
		_, again := seen[n]
		seen[n] = struct{}{}
		return again
	})
}

func (e *Engine) setNodes(ev *eval, nodes []*view.Node) {
	if slices.Equal(ev.nodes, nodes) {
		return
	}
	for n := range missingIn(ev.nodes, nodes) {
		addReader(n, ev)
	}
	for n := range missingIn(nodes, ev.nodes) {
		if removeReader(n, ev); n.Readers == nil {
			e.db.Forget(n)
		}
	}
	ev.nodes = exactly(nodes)
}

// missingIn yields what is in a list and not in another one.
func missingIn(other, list []*view.Node) iter.Seq[*view.Node] {
	there := keysOf(other)
	return func(yield func(*view.Node) bool) {
		for _, n := range list {
			if !there.has(n) && !yield(n) {
				return
			}
		}
	}
}

// exactly copies a list without room to grow: there are very many of them.
func exactly[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	out := make([]T, len(list))
	copy(out, list)
	return out
}
