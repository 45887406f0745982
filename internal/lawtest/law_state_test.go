package lawtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

var noInit = law{
	name:   "no init functions",
	reason: "what runs because it was imported cannot be ordered, configured or tested",
	find: func(t *tree) []finding {
		var found []finding
		for _, s := range t.files {
			for _, declaration := range s.Decls {
				function, ok := declaration.(*ast.FuncDecl)
				if ok && function.Recv == nil && function.Name.Name == "init" {
					found = append(found, finding{t.at(function), "func init"})
				}
			}
		}
		return found
	},
	breaks: `
-- internal/a/a.go --
package a
func init() {} // breaks
type t struct{}
func (t) init() {}
`,
}

var noMutableState = law{
	name:   "no mutable state at package level",
	reason: "two controllers run in one process in tests, and what nobody passes nobody can replace",
	find: func(t *tree) []finding {
		variables := packageVariables(t)
		var found []finding
		for _, s := range t.product() {
			found = append(found, mutableDeclarations(t, s)...)
			ast.Inspect(s.File, func(n ast.Node) bool {
				for _, changed := range changes(n) {
					if name := variables.named(s, changed); name != "" {
						found = append(found, finding{t.at(n), fmt.Sprintf("changes the package variable %s or gives it away", name)})
					}
				}
				return true
			})
		}
		return found
	},
	breaks: `
-- internal/a/a.go --
package a
import (
	"errors"
	"sync"
	"sync/atomic"
	"github.com/dragonflow/dragonflow/internal/b"
)
var ErrGone = errors.New("gone")
var table = map[string]int{"one": 1}
var list = []int{1}
var count int
var lock sync.Mutex // breaks
var total atomic.Int64 // breaks
var signal = make(chan int) // breaks
var version = "devel"
func f() int {
	count++ // breaks
	table["two"] = 2 // breaks
	list[0] = 3 // breaks
	delete(table, "one") // breaks
	b.Default = 4 // breaks
	pointer := &count // breaks
	count := 5
	count = 6
	return *pointer + count + table["one"] + list[0]
}
-- internal/a/c.go --
package a
func g() { count = 7 } // breaks
-- internal/a/a_test.go --
package a
func h() { count = 8 }
-- internal/b/b.go --
package b
var Default int
`,
}

// variables are the names of package-level variables by folder.
type variables map[string]map[string]bool

func packageVariables(t *tree) variables {
	all := variables{}
	for _, s := range t.product() {
		if all[s.dir] == nil {
			all[s.dir] = map[string]bool{}
		}
		for _, spec := range valueSpecs(s) {
			for _, name := range spec.Names {
				all[s.dir][name.Name] = true
			}
		}
	}
	return all
}

// valueSpecs returns the package-level variable declarations of a file.
func valueSpecs(s *source) []*ast.ValueSpec {
	var specs []*ast.ValueSpec
	for _, declaration := range s.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR {
			continue
		}
		for _, spec := range general.Specs {
			specs = append(specs, spec.(*ast.ValueSpec))
		}
	}
	return specs
}

// named returns the package variable that an expression leads to, or "".
func (v variables) named(s *source, x ast.Expr) string {
	for {
		switch y := x.(type) {
		case *ast.ParenExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.SliceExpr:
			x = y.X
		case *ast.StarExpr:
			x = y.X
		case *ast.SelectorExpr:
			if name, ok := y.X.(*ast.Ident); ok {
				if dir, ours := strings.CutPrefix(s.called(name), module+"/"); ours && v[dir][y.Sel.Name] {
					return name.Name + "." + y.Sel.Name
				}
			}
			x = y.X
		case *ast.Ident:
			// The parser resolves names within a file; what it leaves open may be another file's.
			isOurs := y.Obj == nil || s.Scope.Lookup(y.Name) == y.Obj
			if isOurs && v[s.dir][y.Name] {
				return y.Name
			}
			return ""
		default:
			return ""
		}
	}
}

// changes returns the expressions that a node may change or lets others change.
func changes(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			return n.Lhs
		}
	case *ast.IncDecStmt:
		return []ast.Expr{n.X}
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			return []ast.Expr{n.Key, n.Value}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return []ast.Expr{n.X}
		}
	case *ast.CallExpr:
		name, ok := n.Fun.(*ast.Ident)
		if ok && name.Obj == nil && len(n.Args) > 0 && slices.Contains([]string{"delete", "clear", "copy"}, name.Name) {
			return n.Args[:1]
		}
	}
	return nil
}

// mutableDeclarations finds package variables of types that exist only to change.
func mutableDeclarations(t *tree, s *source) []finding {
	var found []finding
	for _, spec := range valueSpecs(s) {
		kind := spec.Type
		if kind == nil && len(spec.Values) == 1 {
			kind = valueType(spec.Values[0])
		}
		if star, ok := kind.(*ast.StarExpr); ok {
			kind = star.X
		}
		if _, ok := kind.(*ast.ChanType); ok {
			found = append(found, finding{t.at(spec), "a channel at package level"})
		}
		if selector, ok := kind.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok && strings.HasPrefix(s.called(name), "sync") {
				found = append(found, finding{t.at(spec), fmt.Sprintf("a %s.%s at package level", name.Name, selector.Sel.Name)})
			}
		}
	}
	return found
}

// valueType returns the type that an initial value spells out: T{}, &T{}, new(T) or make(T).
func valueType(value ast.Expr) ast.Expr {
	switch v := value.(type) {
	case *ast.UnaryExpr:
		return valueType(v.X)
	case *ast.CompositeLit:
		return v.Type
	case *ast.CallExpr:
		if name, ok := v.Fun.(*ast.Ident); ok && (name.Name == "make" || name.Name == "new") && len(v.Args) > 0 {
			return v.Args[0]
		}
	}
	return nil
}

var goroutinesAtTheRim = law{
	name:   "goroutines start only at the rim",
	reason: "the core is synchronous: what it does depends on its input and not on the scheduler",
	find: func(t *tree) []finding {
		rim := []string{
			"cmd/", "internal/northbound/", "internal/vswitch/", "internal/neutron/api/", "internal/neutron/intake/",
			"internal/controller", "internal/controller/snapshot", "internal/metadata/", "internal/telemetry/", "internal/lab/", "internal/demo/", "internal/testkit/", "test/", "bench/",
		}
		var found []finding
		for _, s := range t.product() {
			if matches(rim, s.dir) {
				continue
			}
			ast.Inspect(s.File, func(n ast.Node) bool {
				if what := starts(s, n); what != "" {
					found = append(found, finding{t.at(n), what})
				}
				return true
			})
		}
		return found
	},
	breaks: `
-- internal/controller/apps/l2/a.go --
package l2
import (
	"sync"
	"time"
)
func a() {
	go a() // breaks
	var group sync.WaitGroup
	group.Go(a) // breaks
	time.AfterFunc(1, a) // breaks
}
-- internal/controller/loop.go --
package controller
func a() { go a() }
-- internal/northbound/db/etcd/a.go --
package etcd
func a() { go a() }
-- internal/controller/apps/l2/a_test.go --
package l2
func b() { go b() }
`,
}

// starts tells how a node starts a goroutine, or "".
func starts(s *source, n ast.Node) string {
	if _, ok := n.(*ast.GoStmt); ok {
		return "a go statement"
	}
	if pkg, function := s.calls(n); function == "AfterFunc" && (pkg == "time" || pkg == "context") {
		return pkg + "." + function + " starts a goroutine"
	}
	if call, ok := n.(*ast.CallExpr); ok && len(call.Args) == 1 {
		if selector, ok := call.Fun.(*ast.SelectorExpr); ok && (selector.Sel.Name == "Go" || selector.Sel.Name == "TryGo") {
			return "a group's Go starts a goroutine"
		}
	}
	return ""
}

var noSleep = law{
	name:   "nothing sleeps",
	reason: "a sleep is too short on a loaded machine and too long on every other: wait for the condition, with a deadline",
	find: func(t *tree) []finding {
		var found []finding
		for _, s := range t.files {
			ast.Inspect(s.File, func(n ast.Node) bool {
				if pkg, function := s.calls(n); pkg == "time" && function == "Sleep" {
					found = append(found, finding{t.at(n), "calls time.Sleep"})
				}
				return true
			})
		}
		return found
	},
	breaks: `
-- internal/a/a.go --
package a
import "time"
func a() { time.Sleep(1) } // breaks
-- internal/a/a_test.go --
package a
import "time"
func b() { time.Sleep(1) } // breaks
type clock struct{}
func (clock) Sleep(int) {}
func c(time clock) { time.Sleep(1) }
`,
}
