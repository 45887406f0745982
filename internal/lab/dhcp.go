package lab

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

//go:embed scripts/dhclient.sh
var dhclientScript string

//go:embed scripts/dhclient.conf
var dhclientConf string

//go:embed scripts/udhcpc.sh
var udhcpcScript string

// Client is a kind of DHCP client.
type Client int

const (
	// Dhclient4 is ISC's client for DHCPv4.
	Dhclient4 Client = iota
	// Dhclient6 is ISC's client for DHCPv6 with an address.
	Dhclient6
	// Dhclient6Stateless is ISC's client for DHCPv6 without an address, for the
	// other options only.
	Dhclient6Stateless
	// Udhcpc is busybox' client, DHCPv4.
	Udhcpc
)

// String names the client.
func (c Client) String() string {
	return [...]string{"dhclient -4", "dhclient -6", "dhclient -6 -S", "udhcpc"}[c]
}

// isc says whether the client is ISC's.
func (c Client) isc() bool { return c != Udhcpc }

// DHCP is a DHCP client that runs in a guest, has a lease and keeps it.
type DHCP struct {
	g       *Guest
	kind    Client
	process *Process
	tag     string // of its files
}

// DHCP starts a client and returns when the guest is configured by it: address,
// routes and MTU are set, the name servers are in the guest's resolv.conf. The
// client goes on running until it is stopped or the guest is closed.
func (g *Guest) DHCP(ctx context.Context, kind Client) (*DHCP, error) {
	d := &DHCP{g: g, kind: kind, tag: fmt.Sprintf("dhcp-%d", kind)}
	if err := d.start(ctx); err != nil {
		return nil, fmt.Errorf("%s in %s: %w", kind, g.name, err)
	}
	return d, nil
}

func (d *DHCP) start(ctx context.Context) error {
	if d.kind != Udhcpc && d.kind != Dhclient4 { // their first packet needs a source address
		if _, err := d.g.LinkLocal(ctx); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"dhclient.sh": dhclientScript, "udhcpc.sh": udhcpcScript, "dhclient.conf": dhclientConf} {
		if err := os.WriteFile(d.g.File(name), []byte(text), 0o700); err != nil { // scripts are executed
			return err
		}
	}
	if err := os.Remove(d.path()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	p, err := d.g.Start([]string{"DF_DIR=" + d.g.dir, "DF_FILE=" + d.tag}, d.command()...)
	if err != nil {
		return err
	}
	d.process = p
	if _, err := d.WaitLease(ctx, func(Lease) bool { return true }); err != nil {
		p.Kill()
		return err
	}
	return nil
}

// File is the path of a file of the guest, such as "resolv.conf".
func (g *Guest) File(name string) string { return filepath.Join(g.dir, name) }

func (d *DHCP) path() string { return d.g.File(d.tag) }

func (d *DHCP) command() []string {
	if d.kind == Udhcpc {
		return []string{"udhcpc", "-f", "-i", Interface, "-s", d.g.File("udhcpc.sh"), "-t", "60", "-T", "1", "-n",
			"-O", "staticroutes", "-O", "mtu", "-O", "search", "-O", "ntpsrv"}
	}
	return append(d.dhclient(), "-d", "-1", Interface)
}

// dhclient is the command with what it needs to find its own files again.
func (d *DHCP) dhclient() []string {
	argv := []string{"dhclient", "-4"}
	switch d.kind {
	case Dhclient6:
		argv = []string{"dhclient", "-6"}
	case Dhclient6Stateless:
		argv = []string{"dhclient", "-6", "-S"}
	}
	return append(argv, "-cf", d.g.File("dhclient.conf"), "-sf", d.g.File("dhclient.sh"), "-lf", d.g.File(d.tag+".leases"),
		"-pf", d.g.File(d.tag+".pid"), "-e", "DF_DIR="+d.g.dir, "-e", "DF_FILE="+d.tag, "-e", "PATH="+os.Getenv("PATH"))
}

// Lease returns what the client was told last.
func (d *DHCP) Lease() (Lease, error) {
	b, err := os.ReadFile(d.path())
	if err != nil {
		return Lease{}, fmt.Errorf("lease of %s in %s: %w", d.kind, d.g.name, err)
	}
	l, err := parseLease(b, d.kind)
	if err != nil {
		return Lease{}, fmt.Errorf("lease of %s in %s: %w", d.kind, d.g.name, err)
	}
	return l, nil
}

// WaitLease waits until the guest is configured by a lease that satisfies the
// condition, and returns it.
func (d *DHCP) WaitLease(ctx context.Context, condition func(Lease) bool) (Lease, error) {
	var l Lease
	err := poll(ctx, func() (ok bool, err error) {
		l, err = d.Lease()
		switch {
		case err == nil && l.configures() && condition(l):
			return true, nil
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return false, err
		}
		select {
		case <-d.process.Done():
			return false, fmt.Errorf("the client ended: %s", d.process.lastWords())
		default:
			return false, nil
		}
	})
	if err != nil {
		return Lease{}, fmt.Errorf("wait for a lease: %w; the client said: %s", err, d.process.lastWords())
	}
	return l, nil
}

// Output is what the client itself said.
func (d *DHCP) Output() string { return d.process.Output() }

// Renew lets the client ask its server for the same lease again, at once, and
// returns the new one. Only udhcpc can be told to.
func (d *DHCP) Renew(ctx context.Context) (Lease, error) {
	if d.kind != Udhcpc {
		return Lease{}, fmt.Errorf("renew with %s: %w", d.kind, errors.ErrUnsupported)
	}
	before, err := d.Lease()
	if err != nil {
		return Lease{}, err
	}
	if err := d.process.Signal(syscall.SIGUSR1); err != nil {
		return Lease{}, fmt.Errorf("renew with %s: %w", d.kind, err)
	}
	return d.WaitLease(ctx, func(l Lease) bool { return l.Vars["DF_TIME"] != before.Vars["DF_TIME"] })
}

// Release gives the lease back to the server, unconfigures the guest, and ends
// the client.
func (d *DHCP) Release(ctx context.Context) error {
	if d.kind.isc() {
		_, err := d.g.Run(ctx, append(d.dhclient(), "-r", Interface)...)
		d.process.Kill()
		return err
	}
	if err := d.process.Signal(syscall.SIGUSR2); err != nil {
		return fmt.Errorf("release with %s: %w", d.kind, err)
	}
	err := poll(ctx, func() (bool, error) {
		l, err := d.Lease()
		return !l.configures(), err
	})
	d.process.Kill()
	if err != nil {
		return fmt.Errorf("release with %s: %w", d.kind, err)
	}
	return nil
}

// Stop ends the client without a word to the server; the guest stays configured.
func (d *DHCP) Stop() { d.process.Kill() }

// number reads a decimal of a lease; absent is 0.
func number(vars map[string]string, key string) (int, error) {
	if vars[key] == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(vars[key])
	if err != nil {
		return 0, fmt.Errorf("%s=%q: %w", key, vars[key], err)
	}
	return n, nil
}

// configures says whether the client's last event left the guest configured.
func (l Lease) configures() bool {
	return slices.Contains([]string{"BOUND", "RENEW", "REBIND", "REBOOT", "BOUND6", "RENEW6", "REBIND6", "bound", "renew"}, l.Reason)
}

// Time is how long the lease is valid.
func (l Lease) Time() time.Duration { return time.Duration(l.Seconds) * time.Second }
