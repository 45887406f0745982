package segment

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dragonflow/dragonflow/internal/model"
)

// PhysicalNetwork is a network outside with VLANs; those in VLANs may be given to who names none.
type PhysicalNetwork struct {
	Name  string
	VLANs Ranges
}

// maxName is the longest name of a physical network, as in Neutron's database.
const maxName = 64

// ParseVLANRanges reads words as Neutron's network_vlan_ranges has them: "NAME:FIRST:LAST", or "NAME" alone
// for a physical network of which no VLAN is given to who names none. A name may stand there several times.
func ParseVLANRanges(words []string) ([]PhysicalNetwork, error) {
	var out []PhysicalNetwork
	for _, w := range words {
		parts := strings.Split(strings.TrimSpace(w), ":")
		if parts[0] == "" || len(parts[0]) > maxName || len(parts) != 1 && len(parts) != 3 {
			return nil, fmt.Errorf("%q is not NAME or NAME:FIRST:LAST", w)
		}
		at := 0
		for at < len(out) && out[at].Name != parts[0] {
			at++
		}
		if at == len(out) {
			out = append(out, PhysicalNetwork{Name: parts[0]})
		}
		if len(parts) == 1 {
			continue
		}
		first, errFirst := strconv.ParseUint(parts[1], 10, 16)
		last, errLast := strconv.ParseUint(parts[2], 10, 16)
		if errFirst != nil || errLast != nil || first == 0 || last < first || last > model.MaxVLAN {
			return nil, fmt.Errorf("%q: VLANs lie within 1-%d", w, model.MaxVLAN)
		}
		out[at].VLANs = append(out[at].VLANs, Range{uint32(first), uint32(last)})
	}
	return out, nil
}

// ParseMTUs reads words as Neutron's physical_network_mtus has them: "NAME:BYTES".
func ParseMTUs(words []string) (map[string]int, error) {
	out := map[string]int{}
	for _, w := range words {
		name, bytes, ok := strings.Cut(strings.TrimSpace(w), ":")
		mtu, err := strconv.Atoi(bytes)
		if !ok || name == "" || err != nil || mtu < minMTU || mtu > 65535 {
			return nil, fmt.Errorf("%q is not NAME:BYTES within %d-65535", w, minMTU)
		}
		out[name] = mtu
	}
	return out, nil
}

// VLANsOf returns the VLANs of a physical network that are given to who names none; known is false if it can
// have no VLANs.
func (p Plan) VLANsOf(name string) (vlans Ranges, known bool) {
	for _, n := range p.VLANs {
		if n.Name == name {
			return n.VLANs, true
		}
	}
	return nil, len(p.VLANs) == 0
}
