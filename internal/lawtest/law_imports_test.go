package lawtest

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// boundary says what the packages of a folder may import. Folders are given from the repository's root;
// one that ends in a slash stands for itself and all below it.
type boundary struct {
	// of are the packages that the boundary is about.
	of []string
	// ours are the only packages of this repository that they may import; nil leaves it open.
	ours []string
	// not are packages, of this repository or by import path, that they must not import.
	not []string
	// reason says why.
	reason string
}

// nothing is a boundary's empty list of allowed packages.
func nothing() []string { return []string{} }

// inputOutput is what a pure package has no use for.
func inputOutput() []string {
	return []string{"os", "os/exec", "os/signal", "io/ioutil", "net/http", "syscall", "golang.org/x/sys/unix", "database/sql"}
}

// boundaries is the table of all import rules but those that depend on the importing folder's own name.
func boundaries() []boundary {
	return []boundary{
		{of: []string{"internal/model/"}, ours: nothing(), reason: "the model is everybody's vocabulary: what it imported, everybody would"},
		{of: []string{"internal/controller/flow/"}, ours: nothing(), reason: "flows are values that the pipeline, the switch and the tools share"},
		{of: []string{"internal/packet/"}, ours: nothing(), reason: "guests' bytes are parsed without knowing anything of the cloud"},
		{of: []string{"internal/northbound/db"}, ours: nothing(), reason: "the contract of the drivers depends on no driver and no model"},
		{of: []string{"internal/vswitch/openflow/"}, ours: []string{"internal/controller/flow/"}, reason: "the codec knows flows and the wire, not what they are for"},
		{of: []string{"internal/vswitch/ovsdb/"}, ours: []string{"internal/vswitch/"}, reason: "the database client knows Open vSwitch, not what it is used for"},
		{
			of:     []string{"internal/vswitch/"},
			not:    []string{"internal/northbound/", "internal/neutron/", "internal/controller/apps/", "internal/controller/engine/", "internal/controller/view/"},
			reason: "the switch is told what to be; it knows neither the cloud nor who asks",
		},
		{
			of:     []string{"internal/controller/apps/"},
			not:    append(inputOutput(), "internal/northbound/", "internal/vswitch/", "internal/neutron/", "internal/controller/engine/"),
			reason: "an app is a pure function from view to desired state: no input, no output, no database, no switch",
		},
		{
			of:     []string{"internal/controller/engine/", "internal/controller/view/", "internal/controller/pipeline/", "internal/controller/app/"},
			not:    []string{"internal/controller/apps/"},
			reason: "the machinery knows no app by name: a new app changes the list of apps and nothing else",
		},
		{
			of:     []string{"internal/controller/engine/", "internal/controller/pipeline/", "internal/controller/app/"},
			not:    append(inputOutput(), "internal/northbound/", "internal/neutron/"),
			reason: "derivation is synchronous and repeatable: input and output lie at the rim",
		},
		{
			of:     []string{"internal/neutron/"},
			not:    []string{"internal/controller/", "internal/vswitch/"},
			reason: "the server writes the topology; what a chassis makes of it is the chassis' business",
		},
		{
			of:     []string{"internal/controller/"},
			not:    []string{"internal/neutron/"},
			reason: "a chassis depends on the database and on itself alone",
		},
		{
			of:     []string{"internal/"},
			not:    []string{"cmd/"},
			reason: "the command constructs the world; nothing depends on it",
		},
	}
}

// matches tells whether an import path lies in one of the folders.
func matches(folders []string, imported string) bool {
	return slices.ContainsFunc(folders, func(folder string) bool {
		below, recursive := strings.CutSuffix(folder, "/")
		return imported == below || recursive && strings.HasPrefix(imported, folder)
	})
}

// forbids returns why the boundary forbids an import, or "".
func (b boundary) forbids(imported string, isOurs bool) string {
	if matches(b.not, imported) {
		return b.reason
	}
	if isOurs && b.ours != nil && !matches(b.ours, imported) && !matches(b.of, imported) {
		return b.reason
	}
	return ""
}

// sibling returns why a package must not import another one because of where both lie, or "".
func sibling(dir, imported string) string {
	if element(dir, "internal/controller/apps/") != "" && element(imported, "internal/controller/apps/") != "" &&
		element(dir, "internal/controller/apps/") != element(imported, "internal/controller/apps/") {
		return "apps never import each other: they meet in the pipeline"
	}
	for _, contract := range []string{"internal/northbound/db/", "internal/northbound/pubsub/"} {
		driver := element(dir, contract)
		// The embedded database is etcd's own server behind the etcd driver.
		isEtcd := driver == "embedded" && element(imported, contract) == "etcd"
		if driver != "" && !strings.HasSuffix(driver, "test") && !isEtcd && imported != strings.TrimSuffix(contract, "/") &&
			element(imported, contract) != driver {
			return "a driver imports its contract and nothing else of ours, so that it can be read, and removed, alone"
		}
	}
	return ""
}

// element returns the folder's name directly below a parent, or "".
func element(dir, parent string) string {
	below, ok := strings.CutPrefix(dir, parent)
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(below, "/")
	return name
}

var imports = law{
	name:   "packages import only what their place allows",
	reason: "the way of the data through the code can be seen only while it has one direction",
	find: func(t *tree) []finding {
		var found []finding
		for _, s := range t.product() {
			for _, spec := range s.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				dir, isOurs := strings.CutPrefix(path, module+"/")
				why := ""
				for _, b := range boundaries() {
					if matches(b.of, s.dir) && why == "" {
						why = b.forbids(dir, isOurs)
					}
				}
				if isOurs && why == "" {
					why = sibling(s.dir, dir)
				}
				if why != "" {
					found = append(found, finding{t.at(spec), fmt.Sprintf("imports %s: %s", dir, why)})
				}
			}
		}
		return found
	},
	breaks: `
-- internal/model/a.go --
package model
import "github.com/dragonflow/dragonflow/internal/northbound/db" // breaks
-- internal/controller/apps/l2/a.go --
package l2
import (
	"os/exec" // breaks
	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/dhcp" // breaks
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2/sub"
	"github.com/dragonflow/dragonflow/internal/northbound" // breaks
)
-- internal/controller/apps/l2/a_test.go --
package l2
import "os"
-- internal/controller/engine/a.go --
package engine
import "github.com/dragonflow/dragonflow/internal/controller/apps" // breaks
-- internal/northbound/db/redis/a.go --
package redis
import (
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/etcd" // breaks
	"github.com/dragonflow/dragonflow/internal/model" // breaks
)
-- internal/northbound/db/embedded/a.go --
package embedded
import "github.com/dragonflow/dragonflow/internal/northbound/db/etcd"
-- internal/vswitch/openflow/a.go --
package openflow
import (
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/model" // breaks
)
-- internal/neutron/api/a.go --
package api
import "github.com/dragonflow/dragonflow/internal/vswitch/ovsdb" // breaks
`,
}

var testOnly = law{
	name:   "test helpers stay out of the product",
	reason: "what helps a test may panic, block or trust its input",
	find: func(t *tree) []finding {
		var found []finding
		for _, s := range t.product() {
			if strings.HasPrefix(s.dir, "internal/testkit") || strings.HasSuffix(s.dir, "test") || strings.HasPrefix(s.dir, "test/") ||
				strings.HasPrefix(s.dir, "bench") {
				continue
			}
			for _, spec := range s.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				if path == "testing" || strings.HasPrefix(path, module+"/internal/testkit") || strings.HasSuffix(path, "test") {
					found = append(found, finding{t.at(spec), "imports " + path})
				}
			}
		}
		return found
	},
	breaks: `
-- internal/operate/a.go --
package operate
import (
	"testing" // breaks
	"github.com/dragonflow/dragonflow/internal/testkit/ovs" // breaks
)
-- internal/operate/a_test.go --
package operate
import "testing"
-- internal/testkit/ovs/a.go --
package ovs
import "testing"
-- internal/northbound/db/dbtest/a.go --
package dbtest
import "testing"
`,
}

var pureTime = law{
	name:   "derivation asks neither clock nor dice",
	reason: "the same view gives the same flows, today and in a test; time comes in as a value",
	find: func(t *tree) []finding {
		pure := []string{
			"internal/controller/apps/", "internal/controller/app/", "internal/controller/pipeline/",
			"internal/controller/flow/", "internal/controller/view/", "internal/model/", "internal/packet/",
		}
		var found []finding
		for _, s := range t.product() {
			if !matches(pure, s.dir) {
				continue
			}
			ast.Inspect(s.File, func(n ast.Node) bool {
				pkg, function := s.calls(n)
				isClock := pkg == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}, function)
				if isClock || pkg == "math/rand" || pkg == "math/rand/v2" || pkg == "crypto/rand" {
					found = append(found, finding{t.at(n), fmt.Sprintf("calls %s.%s", pkg, function)})
				}
				return true
			})
		}
		return found
	},
	breaks: `
-- internal/controller/apps/dhcp/a.go --
package dhcp
import (
	"math/rand/v2"
	"time"
)
func a() time.Time { return time.Now() } // breaks
func b() int { return rand.Int() } // breaks
func c() time.Duration { return time.Duration(3) }
-- internal/vswitch/a.go --
package vswitch
import "time"
func a() time.Time { return time.Now() }
`,
}
