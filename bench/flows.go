package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// installed is what it took to install flows: by the client, by the switch, and by the clock.
type installed struct{ client, vswitchd, wall time.Duration }

func (a *installed) add(b installed) {
	a.client += b.client
	a.vswitchd += b.vswitchd
	a.wall += b.wall
}

// flowProgramming installs the same flows by our client and by ovs-ofctl, in turns, each in one bundle
// into an empty switch.
func flowProgramming(ctx context.Context, r *run) error {
	sw, err := r.vswitch(ctx, private.Config{})
	if err != nil {
		return err
	}
	if err := sw.AddBridge(ctx, "br0"); err != nil {
		return err
	}
	t := newTable("flows in one bundle, mean of the rounds", "client CPU", "a flow", "vswitchd CPU", "wall", "peer's wall", "budget")
	for _, size := range []struct{ flows, rounds int }{{10_000, 7}, {100_000, 3}} {
		ours, theirs, err := installInTurns(ctx, r, sw, size.flows, size.rounds)
		if err != nil {
			return err
		}
		n, rounds := time.Duration(size.flows), time.Duration(size.rounds)
		v := verdict{}.within("CPU a flow", ours.client/rounds/n, time.Microsecond).
			atLeast("peer's wall to ours", float64(theirs.wall)/float64(ours.wall), 1, "×")
		t.row(fmt.Sprintf("%d: dragonflow", size.flows), ours.client/rounds, ours.client/rounds/n, ours.vswitchd/rounds,
			ours.wall/rounds, ratio(ours.wall, theirs.wall), v)
		t.row(fmt.Sprintf("%d: ovs-ofctl --bundle add-flows", size.flows), theirs.client/rounds, theirs.client/rounds/n,
			theirs.vswitchd/rounds, theirs.wall/rounds, "", verdict{})
	}
	r.print(t)
	return nil
}

// someFlows are flows like those of the pipeline, over as many tables as they need.
func someFlows(n int) []flow.Flow {
	const perTable = 1 << 14
	list := make([]flow.Flow, n)
	for i := range list {
		list[i] = flow.Flow{
			Table: uint8(i / perTable), Priority: 100, Cookie: 0xdf<<56 | uint64(i+1),
			Match:        flow.NewMatch(flow.Metadata.Is(uint64(i%500)), flow.EthDst.MAC([6]byte{2, 0, 0, byte(i >> 16), byte(i >> 8), byte(i)})),
			Instructions: flow.Do(flow.LoadReg(flow.Reg7, uint32(i)), flow.Resubmit(200)),
		}
	}
	return list
}

func installInTurns(ctx context.Context, r *run, sw *private.Switch, n, rounds int) (ours, theirs installed, err error) {
	list := someFlows(n)
	var text strings.Builder
	mods := make([]openflow.FlowMod, n)
	for i, f := range list {
		mods[i].Flow = f
		fmt.Fprintln(&text, f)
	}
	dir, err := r.folder()
	if err != nil {
		return ours, theirs, err
	}
	file := filepath.Join(dir, "flows")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return ours, theirs, err
	}
	for range rounds {
		one, err := installOurs(ctx, sw, mods)
		if err != nil {
			return ours, theirs, err
		}
		ours.add(one)
		if one, err = installTheirs(ctx, sw, file); err != nil {
			return ours, theirs, err
		}
		theirs.add(one)
	}
	return ours, theirs, nil
}

// installOurs includes connecting, as the peer's does.
func installOurs(ctx context.Context, sw *private.Switch, mods []openflow.FlowMod) (installed, error) {
	cpu, err := ownCPU()
	if err != nil {
		return installed{}, err
	}
	return install(ctx, sw, len(mods), func() (time.Duration, error) {
		conn, err := openflow.Dial(ctx, sw.Mgmt("br0"), openflow.Options{})
		if err != nil {
			return 0, err
		}
		if err := conn.Apply(ctx, mods); err != nil {
			return 0, err
		}
		if err := conn.Close(); err != nil {
			return 0, err
		}
		now, err := ownCPU()
		return now - cpu, err
	})
}

func installTheirs(ctx context.Context, sw *private.Switch, file string) (installed, error) {
	return install(ctx, sw, 0, func() (time.Duration, error) {
		cmd := exec.CommandContext(ctx, "ovs-ofctl", "-O", "OpenFlow14", "--bundle", "add-flows", "unix:"+sw.Mgmt("br0"), file)
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("ovs-ofctl: %w: %s", err, out)
		}
		return cmd.ProcessState.SystemTime() + cmd.ProcessState.UserTime(), nil
	})
}

// install measures one installation, checks that the flows are there if their number is given, and
// removes them.
func install(ctx context.Context, sw *private.Switch, n int, do func() (time.Duration, error)) (installed, error) {
	before, err := cpuOf(sw.VswitchdPID())
	if err != nil {
		return installed{}, err
	}
	began := time.Now()
	client, err := do()
	if err != nil {
		return installed{}, err
	}
	wall := time.Since(began)
	after, err := cpuOf(sw.VswitchdPID())
	if err != nil {
		return installed{}, err
	}
	count, err := sw.Ofctl(ctx, "-O", "OpenFlow14", "dump-aggregate", "br0")
	if err == nil && n > 0 && !strings.Contains(count, fmt.Sprintf("flow_count=%d", n)) {
		err = fmt.Errorf("the switch has not %d flows: %s", n, count)
	}
	if err == nil {
		_, err = sw.Ofctl(ctx, "-O", "OpenFlow14", "del-flows", "br0")
	}
	return installed{client: client, vswitchd: after - before, wall: wall}, err
}

// addFlows has ovs-ofctl add flows to br-int.
func addFlows(ctx context.Context, sw *private.Switch, dir, text string) error {
	file := filepath.Join(dir, "flows")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	_, err := sw.Ofctl(ctx, "add-flows", "br-int", file)
	return err
}
