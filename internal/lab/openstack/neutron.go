package openstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The names of Neutron's parts.
const (
	apiName      = "neutron-api"
	periodicName = "neutron-periodic-workers"
)

// networks is how many tunnelled networks of a kind there can be: Neutron makes a row for each before it serves.
const networks = 10_000

// startNeutron makes the database's tables, and starts the API and the process with the driver's own work.
func (s *Stack) startNeutron(ctx context.Context) error {
	config, err := s.file("neutron.conf", s.neutronConfig())
	if err != nil {
		return err
	}
	// Who is admin may also do what Nova does.
	if _, err := s.file("policy.yaml", `"service_api": "role:service or role:admin"`+"\n"); err != nil {
		return err
	}
	if _, err := s.run(ctx, nil, s.program("neutron-db-manage"), "--config-file", config, "upgrade", "heads"); err != nil {
		return err
	}
	if !s.classic() {
		if err := s.startPeriodic(ctx); err != nil {
			return err
		}
	}
	return s.serveNeutron(ctx)
}

// classic tells whether the release has one program that is all of Neutron, as those had until 2025.
func (s *Stack) classic() bool {
	_, err := os.Stat(s.program("neutron-server"))
	return err == nil
}

func (s *Stack) startPeriodic(ctx context.Context) error {
	config := filepath.Join(s.Dir, "neutron.conf")
	periodic := &daemon{name: periodicName, argv: []string{s.program(periodicName), "--config-file", config}}
	return s.launch(ctx, periodic, func(context.Context) error { return nil })
}

func (s *Stack) serveNeutron(ctx context.Context) error {
	if s.classic() {
		d := &daemon{name: apiName, argv: []string{s.program("neutron-server"), "--config-file", filepath.Join(s.Dir, "neutron.conf")}}
		return s.launch(ctx, d, serves(s.API+"/"))
	}
	env := []string{"OS_NEUTRON_CONFIG_FILES=" + filepath.Join(s.Dir, "neutron.conf")}
	return s.serve(ctx, apiName, "neutron.wsgi.api:application", s.API, s.Workers, env)
}

// RestartAPI kills Neutron's API, with what its processes had in memory, and starts it again.
func (s *Stack) RestartAPI(ctx context.Context) error {
	if err := s.kill(apiName); err != nil {
		return err
	}
	return s.serveNeutron(ctx)
}

// RestartPeriodic kills the processes that listen to Dragonflow and audit, and starts them again. It does not wait until
// they do.
func (s *Stack) RestartPeriodic(ctx context.Context) error {
	if err := s.kill(periodicName); err != nil {
		return err
	}
	return s.startPeriodic(ctx)
}

func (s *Stack) kill(part string) error {
	i := slices.IndexFunc(s.daemons, func(d *daemon) bool { return d.name == part })
	if i < 0 {
		return errors.New(part + " does not run")
	}
	s.daemons[i].process.Kill()
	s.daemons = slices.Delete(s.daemons, i, i+1)
	return nil
}

// APIWorkers are the numbers of the processes that serve Neutron's API now. Those that are killed are replaced.
func (s *Stack) APIWorkers() ([]int, error) { return s.children(apiName) }

// PeriodicWorkers are the numbers of the processes that listen to Dragonflow and audit now, and of others that Neutron
// runs beside its API. Those that are killed are replaced.
func (s *Stack) PeriodicWorkers() ([]int, error) { return s.children(periodicName) }

// children are the processes that a part has forked.
func (s *Stack) children(part string) (list []int, err error) {
	for _, d := range s.daemons {
		if d.name != part {
			continue
		}
		forked, err := childrenOf(d.process.PID())
		if err != nil {
			return nil, fmt.Errorf("processes of %s: %w", part, err)
		}
		list = append(list, forked...)
	}
	return list, nil
}

// childrenOf asks each thread: not every program forks in its first, and children are a thread's own (proc(5)).
func childrenOf(pid int) (list []int, err error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil, err
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread has ended
		}
		if err != nil {
			return nil, err
		}
		for _, word := range strings.Fields(string(text)) {
			child, err := strconv.Atoi(word)
			if err != nil {
				return nil, err
			}
			list = append(list, child)
		}
	}
	return list, nil
}

// serve has gunicorn serve an application. Its settings are in a file, since the application reads the arguments, too.
func (s *Stack) serve(ctx context.Context, name, application, url string, workers int, env []string) error {
	settings := fmt.Sprintf("wsgi_app = %q\nbind = %q\nworkers = %d\ntimeout = 300\ngraceful_timeout = 10\ncontrol_socket_disable = True\n",
		application, strings.TrimPrefix(url, "http://"), workers)
	config, err := s.file("gunicorn-"+name+".py", settings)
	if err != nil {
		return err
	}
	d := &daemon{name: name, argv: []string{s.program("gunicorn")}, env: append(env, "GUNICORN_CMD_ARGS=--config="+config)}
	return s.launch(ctx, d, serves(url+"/"))
}

func (s *Stack) neutronConfig() string {
	auth := "noauth"
	if s.Keystone {
		auth = "keystone"
	}
	return fmt.Sprintf(`[DEFAULT]
auth_strategy = %[1]s
core_plugin = ml2
service_plugins = %[9]s
transport_url = fake:/
state_path = %[2]s
api_paste_config = %[3]s
dns_domain = cloud.example.
enable_traditional_dhcp = false
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
%[11]s%[15]srpc_state_report_workers = 0
host = lab
[database]
connection = %[4]s
[oslo_concurrency]
lock_path = %[2]s
[oslo_policy]
policy_file = %[2]s/policy.yaml
[oslo_messaging_notifications]
driver = noop
[quotas]
quota_router = 100
[ml2]
mechanism_drivers = %[14]s
type_drivers = geneve,vxlan,flat,vlan
tenant_network_types = %[12]s
extension_drivers = %[10]s
[ml2_type_geneve]
vni_ranges = 1:%[8]d
max_header_size = %[16]d
[ml2_type_vxlan]
vni_ranges = 1:%[13]d
[ml2_type_flat]
flat_networks = *
[ml2_type_vlan]
network_vlan_ranges = %[7]s
%[5]s
%[6]s`, auth, s.Dir, s.paste(), s.connection("neutron"), s.backend(), s.authConfig(),
		strings.Join(append([]string{"external:100:199"}, s.Physical...), ","), networks,
		s.plugins(), extensionDrivers, s.processes(), s.tenantType(), vxlans, s.driver(), s.logging(), s.geneve())
}

// logging is where Neutron writes besides its standard error.
func (s *Stack) logging() string {
	if s.Log == "" {
		return ""
	}
	return fmt.Sprintf("log_file = %s\nuse_stderr = true\n", s.Log)
}

// driver is ML2's.
func (s *Stack) driver() string {
	if s.OVN != "" {
		return "ovn"
	}
	return "dragonflow"
}

// geneve is how large Geneve's header is: OVN's has options.
func (s *Stack) geneve() int {
	if s.OVN != "" {
		return 38
	}
	return 30
}

func (s *Stack) plugins() string {
	if s.OVN != "" {
		return strings.NewReplacer("dragonflow-router", "ovn-router", "dragonflow-port-forwarding", "port_forwarding", "dragonflow-qos", "qos").Replace(servicePlugins)
	}
	return servicePlugins
}

// backend are the driver's own settings.
func (s *Stack) backend() string {
	if s.OVN != "" {
		return fmt.Sprintf("[ovn]\novn_nb_connection = unix:%[1]s/nb.sock\novn_sb_connection = unix:%[1]s/sb.sock\novn_metadata_enabled = true\n", s.OVN)
	}
	return "[dragonflow]\nserver = " + s.Servers
}

// What of Neutron is loaded beside the mechanism driver: all that docs/operate/neutron.md names.
const (
	servicePlugins   = "dragonflow-router,dragonflow-port-forwarding,dragonflow-qos,segments,network_segment_range,trunk,log"
	extensionDrivers = "port_security,dns_domain_keywords,tag_ports_during_bulk_creation,qos"
)

// vxlans is how many identifiers there are for VXLAN: Neutron's own tests expect none above.
const vxlans = 2000

func (s *Stack) tenantType() string {
	if s.VXLAN {
		return "vxlan"
	}
	return "geneve"
}

// processes is how many processes serve what, where Neutron and not a WSGI server starts them.
func (s *Stack) processes() string {
	if !s.classic() {
		return "rpc_workers = 0\n"
	}
	host, port, _ := strings.Cut(strings.TrimPrefix(s.API, "http://"), ":")
	return fmt.Sprintf("bind_host = %s\nbind_port = %s\napi_workers = %d\nrpc_workers = 1\n", host, port, s.Workers)
}

// paste is where the pipeline of the API is: a distribution has it where it has all settings.
func (s *Stack) paste() string {
	own := filepath.Join(s.Python, "etc", "neutron", "api-paste.ini")
	if _, err := os.Stat(own); err != nil {
		return "/etc/neutron/api-paste.ini"
	}
	return own
}
