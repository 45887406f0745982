package adopt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
)

// Where says where to look. Proc and Netns are /proc and /run/netns but in tests.
type Where struct {
	// OVSDB is unix:PATH; the bridges' sockets are beside it.
	OVSDB, Bridge string
	Proc, Netns   string
}

// Seen is what was found on a host.
type Seen struct {
	DB     *ovsdb.DB
	Bridge string // the integration bridge
	// Others is the number of flows on the integration bridge that are not a controller's of Dragonflow.
	Others int
	// Processes of agents and of OVN that run, and network namespaces, by name.
	Processes, Namespaces []string
}

// agents are the processes that have served hosts, as their services are called.
func agents() []string {
	return []string{
		"neutron-openvswitch-agent", "neutron-l3-agent", "neutron-dhcp-agent", "neutron-metadata-agent",
		"neutron-ovn-metadata-agent", "neutron-ovn-agent", "ovn-controller",
	}
}

// Observe looks at this host. It changes nothing.
func Observe(ctx context.Context, where Where) (*Seen, error) {
	db, err := ovsdb.Read(ctx, where.OVSDB)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", where.OVSDB, err)
	}
	seen := &Seen{DB: db, Bridge: where.Bridge}
	if seen.DB.Bridge(where.Bridge) != nil {
		socket := filepath.Join(filepath.Dir(strings.TrimPrefix(where.OVSDB, "unix:")), where.Bridge+".mgmt")
		if err := seen.flows(ctx, socket); err != nil {
			return nil, fmt.Errorf("look at the flows of %s: %w", where.Bridge, err)
		}
	}
	if seen.Processes, err = processes(where.Proc); err != nil {
		return nil, fmt.Errorf("look for agents: %w", err)
	}
	if seen.Namespaces, err = namespaces(where.Netns); err != nil {
		return nil, fmt.Errorf("look for network namespaces: %w", err)
	}
	return seen, nil
}

func (s *Seen) flows(ctx context.Context, socket string) (err error) {
	conn, err := openflow.Dial(ctx, socket, openflow.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for f, err := range conn.Flows(ctx, openflow.Filter{}) {
		if err != nil {
			return err
		}
		if _, ours := pipeline.CookieApp(f.Cookie); !ours {
			s.Others++
		}
	}
	return nil
}

// processes finds agents by the names under which they were started. A process that ends meanwhile is none.
func processes(proc string) ([]string, error) {
	lines, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "cmdline"))
	if err != nil {
		return nil, err
	}
	var found []string
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// An interpreter's first argument is the program; a title that a process gave itself has spaces.
		words := strings.FieldsFunc(string(line), func(r rune) bool { return r == 0 || r == ' ' })
		for _, word := range words[:min(2, len(words))] {
			if name := filepath.Base(word); slices.Contains(agents(), name) && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

func namespaces(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}
