package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	labcloud "github.com/dragonflow/dragonflow/internal/lab/cloud"
	"github.com/dragonflow/dragonflow/internal/lab/openstack"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
)

// hypervisor is the only chassis, which is a row in databases and nothing else: no call waits for one.
const hypervisor = "compute-1"

// rival is a Neutron with one of the drivers.
type rival struct {
	name  string
	stack *openstack.Stack
	api   *labcloud.Client
	// outside is its external network.
	outside string
	serial  int
	took    map[string]samples
	// used is the time of processors of Neutron's processes.
	used map[string]time.Duration
}

// neutronCalls compares what calls of Neutron's API take with Dragonflow and with ML2/OVN, in the same installation: one
// client, one call at a time, in alternating rounds.
func neutronCalls(ctx context.Context, r *run) error {
	version, err := ovnVersion(ctx)
	if err != nil {
		return err
	}
	ours, err := r.ourNeutron(ctx)
	if err != nil {
		return fmt.Errorf("Dragonflow: %w", err)
	}
	theirs, err := r.ovnNeutron(ctx)
	if err != nil {
		return fmt.Errorf("ML2/OVN: %w", err)
	}
	rounds, each := 6, 5
	if r.full {
		rounds, each = 20, 10
	}
	for round := range rounds + 1 {
		for _, one := range []*rival{ours, theirs} {
			if round == 1 { // the first is for getting warm
				one.took, one.used = map[string]samples{}, map[string]time.Duration{}
			}
			if err := one.round(ctx, each); err != nil {
				return fmt.Errorf("%s: %w", one.name, err)
			}
		}
	}
	t := newTable(fmt.Sprintf("%d calls of each; %s", rounds*each, version), "p50", "p95", "CPU a call", "ML2/OVN: p50", "p95", "CPU a call",
		"p50 to ML2/OVN's", "CPU to ML2/OVN's", "budget")
	for _, call := range calls() {
		a, b, n := ours.took[call.name], theirs.took[call.name], time.Duration(rounds*each)
		const most = 0.95
		ratio, cpu := float64(a.p50())/float64(b.p50()), float64(ours.used[call.name])/float64(theirs.used[call.name])
		t.row(call.name, a.p50(), a.quantile(most), ours.used[call.name]/n, b.p50(), b.quantile(most), theirs.used[call.name]/n, ratio, cpu,
			verdict{}.atMost("p50", ratio, 1, "×"))
	}
	r.print(t)
	return nil
}

// started makes a Neutron a rival, with an external network.
func (r *run) started(ctx context.Context, name string, spec openstack.Spec) (*rival, error) {
	var err error
	if spec.Dir, err = r.folder(); err != nil {
		return nil, err
	}
	if spec.Python, err = filepath.Abs(r.python); err != nil {
		return nil, err
	}
	stack, err := openstack.Start(ctx, spec)
	r.atEnd(func() { _ = stack.Close() }) // it goes with the process
	if err != nil {
		return nil, errors.Join(err, errors.New(stack.Said()))
	}
	v := &rival{name: name, stack: stack, took: map[string]samples{}, used: map[string]time.Duration{}}
	v.api = labcloud.NewAdmin(func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(stack.API, "http://"))
	})
	network, err := v.api.Create(ctx, "network", labcloud.Object{"name": "outside", "router:external": true,
		"provider:network_type": "flat", "provider:physical_network": "external"})
	if err != nil {
		return nil, err
	}
	v.outside = network.ID()
	_, err = v.api.Create(ctx, "subnet", labcloud.Object{"network_id": v.outside, "ip_version": 4, "cidr": "100.64.0.0/16", "enable_dhcp": false})
	return v, err
}

// ourNeutron has a server and etcd behind it.
func (r *run) ourNeutron(ctx context.Context) (*rival, error) {
	url, _, err := r.etcd(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := northbound.Open(ctx, url, northbound.Options{})
	if err != nil {
		return nil, err
	}
	r.atEnd(func() { _ = conn.Close() })
	meta := model.Meta{ID: hypervisor, Revision: 1}
	_, err = northbound.NewStore(conn).Txn().Put(&model.Chassis{Meta: meta, Version: "1", Bridge: "br-int", TunnelIP: netip.MustParseAddr("192.0.2.1"),
		TunnelTypes: []model.NetworkType{model.Geneve}, PhysicalNetworks: []string{"external"}, Gateway: true}).
		Put(&model.Heartbeat{Meta: meta, Started: time.Now().UTC().Format(time.RFC3339)}).Commit(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := r.folder()
	if err != nil {
		return nil, err
	}
	socket := "unix:" + filepath.Join(dir, "neutron.sock")
	if _, err := r.dragonflow(ctx, "server", "--config", "/dev/null", "--db", url, "--neutron-listen", socket); err != nil {
		return nil, err
	}
	v, err := r.started(ctx, "Dragonflow", openstack.Spec{Servers: socket})
	if err != nil {
		return nil, err
	}
	return v, labcloud.Eventually(ctx, labcloud.Patience, func(ctx context.Context) error { return v.lives(ctx) })
}

// lives returns an error until the chassis is known.
func (v *rival) lives(ctx context.Context) error {
	var answer struct{ Agents []labcloud.Object }
	err := v.api.Get(ctx, "/v2.0/agents?host="+hypervisor, &answer)
	if err == nil && (len(answer.Agents) == 0 || answer.Agents[0]["alive"] != true) {
		err = fmt.Errorf("agents: %v", answer.Agents)
	}
	return err
}

// ovnNeutron has OVN's databases and northd behind it.
func (r *run) ovnNeutron(ctx context.Context) (*rival, error) {
	c := &ovnCloud{run: r}
	var err error
	if c.dir, err = r.folder(); err != nil {
		return nil, err
	}
	for _, name := range []string{"nb", "sb"} {
		if _, err = c.database(ctx, name); err != nil {
			return nil, err
		}
	}
	_, err = r.start("ovn-northd", "--ovnnb-db=unix:"+c.path("nb.sock"), "--ovnsb-db=unix:"+c.path("sb.sock"),
		"--unixctl="+c.path("northd.ctl"), "-vconsole:emer", "-vsyslog:off", "--log-file="+c.path("northd.log"))
	if err != nil {
		return nil, err
	}
	settings := []string{"ovn-bridge-mappings=external:br-ex", "ovn-cms-options=enable-chassis-as-gw", "datapath-type=system", "iface-types=geneve"}
	args := []string{"--no-leader-only", "--db=unix:" + c.path("sb.sock"), "chassis-add", hypervisor, "geneve", "127.0.0.1", "--",
		"set", "Chassis", hypervisor, "hostname=" + hypervisor}
	for _, s := range settings {
		args = append(args, "other_config:"+s)
	}
	if out, err := exec.CommandContext(ctx, "ovn-sbctl", args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("chassis of OVN: %w: %s", err, out)
	}
	id, err := exec.CommandContext(ctx, "ovn-sbctl", args[0], args[1], "--bare", "--columns=_uuid", "find", "Chassis", "name="+hypervisor).Output()
	if err != nil {
		return nil, fmt.Errorf("chassis of OVN: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "ovn-sbctl", args[0], args[1], "create", "Chassis_Private", "name="+hypervisor,
		"chassis="+strings.TrimSpace(string(id)), "nb_cfg=0", fmt.Sprintf("nb_cfg_timestamp=%d", time.Now().UnixMilli())).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("chassis of OVN: %w: %s", err, out)
	}
	v, err := r.started(ctx, "ML2/OVN", openstack.Spec{OVN: c.dir})
	if err != nil {
		return nil, err
	}
	return v, labcloud.Eventually(ctx, labcloud.Patience, func(ctx context.Context) error { return v.lives(ctx) })
}

// call is one kind of call.
type call struct {
	name string
	do   func(ctx context.Context, v *rival, m *made) error
}

// made is what the calls before have made.
type made struct {
	network, subnet, port, router, floating labcloud.Object
}

// calls are those that are compared, each of which needs what those before have made.
func calls() []call {
	return []call{
		{"network create", func(ctx context.Context, v *rival, m *made) (err error) {
			m.network, err = v.api.Create(ctx, "network", labcloud.Object{"name": "n"})
			return err
		}},
		{"subnet create", func(ctx context.Context, v *rival, m *made) (err error) {
			v.serial++
			cidr := fmt.Sprintf("10.%d.%d.0/24", v.serial/250, v.serial%250)
			m.subnet, err = v.api.Create(ctx, "subnet", labcloud.Object{"network_id": m.network.ID(), "ip_version": 4, "cidr": cidr})
			return err
		}},
		{"port create", func(ctx context.Context, v *rival, m *made) error {
			_, err := v.api.Create(ctx, "port", labcloud.Object{"network_id": m.network.ID()})
			return err
		}},
		{"port create, bound", func(ctx context.Context, v *rival, m *made) (err error) {
			m.port, err = v.api.Create(ctx, "port", labcloud.Object{"network_id": m.network.ID(), "device_owner": "compute:nova", "device_id": "vm",
				"binding:host_id": hypervisor})
			if err == nil && m.port.Text("binding:vif_type") != "ovs" {
				err = fmt.Errorf("the port is bound with the type %s", m.port.Text("binding:vif_type"))
			}
			return err
		}},
		{"port update", func(ctx context.Context, v *rival, m *made) error {
			_, err := v.api.Update(ctx, "port", m.port.ID(), labcloud.Object{"name": "p"})
			return err
		}},
		{"router create, with gateway", func(ctx context.Context, v *rival, m *made) (err error) {
			m.router, err = v.api.Create(ctx, "router", labcloud.Object{"external_gateway_info": labcloud.Object{"network_id": v.outside}})
			return err
		}},
		{"router, add interface", func(ctx context.Context, v *rival, m *made) error {
			return v.api.Do(ctx, "PUT", labcloud.Path("router", m.router.ID())+"/add_router_interface", labcloud.Object{"subnet_id": m.subnet.ID()}, nil)
		}},
		{"floating IP create, associated", func(ctx context.Context, v *rival, m *made) (err error) {
			m.floating, err = v.api.Create(ctx, "floatingip", labcloud.Object{"floating_network_id": v.outside, "port_id": m.port.ID()})
			return err
		}},
		{"floating IP delete", func(ctx context.Context, v *rival, m *made) error {
			return v.api.Delete(ctx, "floatingip", m.floating.ID())
		}},
		{"router, remove interface", func(ctx context.Context, v *rival, m *made) error {
			return v.api.Do(ctx, "PUT", labcloud.Path("router", m.router.ID())+"/remove_router_interface", labcloud.Object{"subnet_id": m.subnet.ID()}, nil)
		}},
		{"router delete", func(ctx context.Context, v *rival, m *made) error { return v.api.Delete(ctx, "router", m.router.ID()) }},
	}
}

// round makes each call several times.
func (v *rival) round(ctx context.Context, each int) error {
	things := make([]made, each)
	for _, call := range calls() {
		before, err := v.processor()
		if err != nil {
			return err
		}
		for i := range things {
			began := time.Now()
			if err := call.do(ctx, v, &things[i]); err != nil {
				return fmt.Errorf("%s: %w", call.name, err)
			}
			v.took[call.name] = append(v.took[call.name], time.Since(began))
		}
		after, err := v.processor()
		if err != nil {
			return err
		}
		v.used[call.name] += after - before
	}
	return nil
}

// processor is the time that Neutron's processes have used.
func (v *rival) processor() (time.Duration, error) {
	parts, err := v.stack.Processor()
	var sum time.Duration
	for name, used := range parts {
		if name != "mariadbd" {
			sum += used
		}
	}
	return sum, err
}
