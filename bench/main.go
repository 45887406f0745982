// Command bench measures Dragonflow beside its peers and limits and prints one table for each question,
// with the ratio to the peer of the same run and the budget beside each number.
//
// CPU seconds stand before wall times: they change less from run to run, and on a shared machine they
// alone can be compared. What exceeds its budget is printed as OVER BUDGET; that is a finding and no
// failure. A measurement that could not be made fails the run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// experiment answers one question.
type experiment struct {
	name string
	what string
	run  func(context.Context, *run) error
	// python tells whether it needs an environment with Neutron.
	python bool
}

// experiments is the list of all, in the order of the report.
func experiments() []experiment {
	return []experiment{
		{name: "flows", what: "flow programming beside ovs-ofctl", run: flowProgramming},
		{name: "change", what: "one port more, with many in view", run: portChange},
		{name: "latency", what: "from a request to the switch's barrier", run: requestToBarrier},
		{name: "dhcp", what: "DHCP beside dnsmasq", run: dhcpExchanges},
		{name: "networks", what: "300 networks on one chassis beside 300 dnsmasq", run: manyNetworks},
		{name: "metadata", what: "metadata beside an HAProxy for each network", run: metadataRequests},
		{name: "secgroup", what: "security groups with many members", run: securityGroups},
		{name: "floating", what: "floating IPs on one chassis", run: floatingIPs},
		{name: "restart", what: "restart of a controller with 5,000 ports in view", run: restart},
		{name: "memory", what: "memory of ports in view", run: memoryOfPorts},
		{name: "beside", what: "control planes of many chassis side by side with OVN", run: sideBySide},
		{name: "unseen", what: "what a chassis notices of networks that it has no port of", run: unseen},
		{name: "hub", what: "a router with many networks, seen from a chassis with one port", run: hubRouter},
		{name: "dataplane", what: "what the switches carry, side by side with OVN and plain switches", run: dataPlane},
		{name: "northsouth", what: "what the switches carry between guests and a host outside, side by side with OVN", run: northSouth},
		{name: "flood", what: "one guest floods its chassis, beside plain switches", run: floods},
		{name: "fleet", what: "many controllers over one etcd, their switches simulated", run: simulatedFleet},
		{name: "neutron", what: "calls of Neutron's API, side by side with ML2/OVN", run: neutronCalls, python: true},
	}
}

// run is what the experiments of one run share.
type run struct {
	// full asks for the sizes that take longer.
	full bool
	// binary is the program dragonflow, and scratch a folder for everything that is written.
	binary, scratch string
	// python is an environment with Neutron; what needs one is left out without.
	python string
	out    io.Writer
	// chassis and ports are the sizes of what runs side by side, if not the usual ones.
	chassis, ports []int
	// alone leaves out OVN where it would need hours.
	alone bool
	// over counts numbers beyond their budgets.
	over    int
	folders int
	closers []func()
}

// atEnd has f called when the experiment is over.
func (r *run) atEnd(f func()) { r.closers = append(r.closers, f) }

func (r *run) close() {
	for len(r.closers) > 0 {
		last := len(r.closers) - 1
		f := r.closers[last]
		r.closers = r.closers[:last]
		f()
	}
}

func main() {
	full := flag.Bool("full", false, "measure the sizes that take longer, too")
	only := flag.String("only", "", "measure only what matches this regular expression")
	binary := flag.String("binary", "bin/dragonflow", "the program to measure")
	profile := flag.String("profile", "", "write a CPU profile of this process here")
	sizes := run{out: os.Stdout}
	flag.Func("chassis", "how many chassis beside and fleet have instead of the usual number, such as 5,10,20", numbers(&sizes.chassis))
	flag.Func("ports", "how many ports beside has, such as 1000,5000", numbers(&sizes.ports))
	flag.BoolVar(&sizes.alone, "alone", false, "leave out OVN, which needs long for many ports")
	flag.StringVar(&sizes.python, "python", "", "the Python environment with Neutron, for what needs one")
	writes := flag.String("write", "", "be the process that writes what comes on standard input into this database")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := profiled(*profile, func() error {
		if *writes != "" {
			return serveWriter(ctx, *writes)
		}
		sizes.full = *full
		return measure(ctx, &sizes, *only, *binary)
	})
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// numbers reads a list of numbers.
func numbers(to *[]int) func(string) error {
	return func(text string) error {
		for word := range strings.SplitSeq(text, ",") {
			n, err := strconv.Atoi(word)
			if err != nil {
				return err
			}
			*to = append(*to, n)
		}
		return nil
	}
}

// profiled runs f, with a CPU profile if a file is named.
func profiled(path string, f func() error) error {
	if path == "" {
		return f()
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = f()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

// measure runs what was asked for. One experiment that fails does not keep the others from running.
func measure(ctx context.Context, r *run, only, binary string) error {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	// Unix sockets need a short path.
	scratch, err := os.MkdirTemp("/tmp", "dfb")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }() // scratch
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	r.binary, r.scratch = binary, scratch
	fmt.Fprintln(r.out, machine())
	var failed error
	began := time.Now()
	for _, e := range experiments() {
		if !chosen.MatchString(e.name) || ctx.Err() != nil || e.python && r.python == "" {
			continue
		}
		started := time.Now()
		fmt.Fprintf(r.out, "\n== %s: %s\n", e.name, e.what)
		err := e.run(ctx, r)
		r.close()
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", e.name, err))
			fmt.Fprintf(r.out, "not measured: %v\n", err)
		}
		fmt.Fprintf(r.out, "(%.0f s; load %s)\n", time.Since(started).Seconds(), load())
	}
	fmt.Fprintf(r.out, "\n%d numbers over budget; %.0f s in all\n", r.over, time.Since(began).Seconds())
	return errors.Join(failed, context.Cause(ctx))
}

// machine says on what and when this is measured.
func machine() string {
	var u syscall.Utsname
	release := ""
	if syscall.Uname(&u) == nil {
		for _, c := range u.Release {
			if c == 0 {
				break
			}
			release += string(rune(c))
		}
	}
	return fmt.Sprintf("%s, Linux %s, %d CPUs (%s), load %s, %s",
		time.Now().UTC().Format("2006-01-02 15:04 UTC"), release, runtime.NumCPU(), processor(), load(), runtime.Version())
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// load is the machine's load average: how many wanted a CPU, of late.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:2], " ")
}
