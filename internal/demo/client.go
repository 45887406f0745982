package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// openstackClient is Debian's; another Python in front of PATH would not find its modules.
const openstackClient = "/usr/bin/openstack"

// openstack runs commands of the openstack client as one session, and tells them.
func (s *site) openstack(ctx context.Context, t *story, commands ...string) error {
	for _, c := range commands {
		t.tell("$ openstack %s", c)
	}
	script := filepath.Join(s.Dir, "openstack")
	if err := os.WriteFile(script, []byte(strings.Join(commands, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, cloud.Patience)
	defer cancel()
	_, err := s.Fabric.Run(limited, "env", "PATH=/usr/bin:/bin", "HOME="+s.Dir, "OS_AUTH_TYPE=none", "OS_ENDPOINT=http://"+cloud.APIAddress,
		"sh", "-c", openstackClient+" < "+script+" 2> "+script+".errors")
	// Of a session the client says nothing by how it ends, only by its complaints.
	if complaints, _ := os.ReadFile(script + ".errors"); err != nil || len(complaints) > 0 { // there may be none
		return errors.Join(err, fmt.Errorf("the openstack client (make demo installs it): %s", complaints))
	}
	return nil
}
