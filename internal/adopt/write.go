package adopt

import (
	"fmt"
	"io"
	"strings"
)

// Write writes the plan as a shell's script that somebody reads: settings and reasons are its comments.
func (p Plan) Write(w io.Writer) error {
	var b strings.Builder
	backend := p.Backend
	if backend == "" {
		backend = "neither ML2/OVS nor ML2/OVN"
	}
	fmt.Fprintf(&b, "# This host has been served by %s. Nothing was changed.\n", backend)
	fmt.Fprintf(&b, "#\n# /etc/dragonflow/dragonflow.yaml, beside db:\n#\n")
	for _, s := range p.Settings {
		fmt.Fprintf(&b, "#     %s: %s\n", s.Key, s.Value)
	}
	if p.Backend == "ML2/OVS" {
		b.WriteString("#\n# The agent's bridge_mappings, and which hosts are gateways, neutron-dragonflow-check --settings FOLDER tells.\n")
	}
	if len(p.Steps) == 0 {
		b.WriteString("#\n# Nothing is in the controller's way.\n")
	}
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "\n# %s\n", s.What)
		for _, command := range s.Commands {
			b.WriteString(command + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
