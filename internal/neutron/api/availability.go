package api

import (
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/dragonflow/dragonflow/internal/neutron/resource"
	"github.com/dragonflow/dragonflow/internal/neutron/rows"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

type subnetAvailability struct {
	SubnetID string      `json:"subnet_id"`
	Name     string      `json:"subnet_name"`
	CIDR     string      `json:"cidr"`
	Version  int         `json:"ip_version"`
	Total    json.Number `json:"total_ips"`
	Used     int         `json:"used_ips"`
}

type networkAvailability struct {
	NetworkID string               `json:"network_id"`
	Name      string               `json:"network_name"`
	TenantID  string               `json:"tenant_id"`
	ProjectID string               `json:"project_id"`
	Subnets   []subnetAvailability `json:"subnet_ip_availability"`
	Total     json.Number          `json:"total_ips"`
	Used      int                  `json:"used_ips"`
}

func (s *Server) resolveAvailability(prefix string, parts []string) (string, methods) {
	switch len(parts) {
	case 0:
		return prefix, methods{http.MethodGet: s.listAvailability}
	case 1:
		return prefix + "/{id}", methods{http.MethodGet: func(w http.ResponseWriter, r *http.Request) error {
			row, err := s.store.Get(r.Context(), s.networks.Kind, parts[0])
			if errors.Is(err, db.ErrNotFound) {
				return s.networks.NotFound(parts[0])
			}
			if err != nil {
				return err
			}
			answer(w, http.StatusOK, map[string]any{
				"network_ip_availability": s.availability(row.(*resource.Network), 0),
			})
			return nil
		}}
	}
	return "other", nil
}

func (s *Server) listAvailability(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	version := 0
	if v := query.Get("ip_version"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n != 4 && n != 6 {
			return resource.Invalid("ip_version", "'"+v+"' is not in [4, 6]")
		}
		version = n
	}
	list := []networkAvailability{}
	for _, row := range s.store.Select(s.networks.Kind, "") {
		n := row.(*resource.Network)
		match := func(name, value string) bool { return query.Get(name) == "" || query.Get(name) == value }
		if match("network_id", n.ID) && match("network_name", n.Name) && match("project_id", n.ProjectID) &&
			match("tenant_id", n.ProjectID) {
			list = append(list, s.availability(n, version))
		}
	}
	answer(w, http.StatusOK, map[string]any{"network_ip_availabilities": list})
	return nil
}

// availability counts the addresses of a network's subnets, of one IP version if it is not 0.
func (s *Server) availability(n *resource.Network, version int) networkAvailability {
	out := networkAvailability{NetworkID: n.ID, Name: n.Name, TenantID: n.ProjectID, ProjectID: n.ProjectID,
		Subnets: []subnetAvailability{}}
	sum := new(big.Int)
	for _, id := range n.Subnets {
		row, ok := s.store.Cached(s.subnets.Kind, id)
		if !ok {
			continue
		}
		sub := row.(*resource.Subnet)
		if version != 0 && sub.IPVersion != version {
			continue
		}
		total := poolSize(sub.AllocationPools)
		used := s.usedAddresses(sub)
		out.Subnets = append(out.Subnets, subnetAvailability{sub.ID, sub.Name, sub.CIDR.String(), sub.IPVersion,
			json.Number(total.String()), used})
		sum.Add(sum, total)
		out.Used += used
	}
	out.Total = json.Number(sum.String())
	return out
}

func poolSize(pools []resource.Pool) *big.Int {
	number := func(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }
	total := new(big.Int)
	for _, p := range pools {
		total.Add(total, number(p.End))
		total.Sub(total, number(p.Start))
		total.Add(total, big.NewInt(1))
	}
	return total
}

func (s *Server) usedAddresses(sub *resource.Subnet) int {
	used := 0
	for _, row := range s.store.Select(s.ports.Kind, rows.BySubnet(sub.ID)) {
		for _, f := range row.(*resource.Port).FixedIPs {
			if f.SubnetID == sub.ID {
				used++
			}
		}
	}
	return used
}
