package apptest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/flow"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/testkit/ovs"
	"github.com/dragonflow/dragonflow/internal/vswitch/openflow"
)

// Asked is what became of a frame that went to the controller.
type Asked struct {
	// Reply and Err are what the app said.
	Reply app.Reply
	Err   error
	// Frame is the first that the asking port received in answer; nil if the app sent it none.
	Frame []byte
}

// Controller is a connection to a Switch that gets the packets which flows send to the controller.
type Controller struct {
	s    *Switch
	conn *openflow.Conn
}

// Controller connects to the switch until the end of the test.
func (s *Switch) Controller() *Controller {
	s.w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), ovs.Deadline)
	defer cancel()
	conn, err := openflow.Dial(ctx, s.Mgmt(Bridge), openflow.Options{PacketIns: 512, ControllerID: pipeline.ControllerID})
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.w.t.Cleanup(func() { _ = conn.Close() })
	return &Controller{s: s, conn: conn}
}

// Ask gives a frame to the switch as the port's guest would, waits until it comes to the controller, has the app
// answer it, sends the answer and waits until the guest has it.
func (c *Controller) Ask(a *app.App, from *model.Port, frame []byte) Asked {
	c.s.w.t.Helper()
	got := c.Hand(a, Plug(from, 0).Name, frame)
	for _, p := range got.Reply.Packets {
		got.Frame = c.s.WaitSent(Plug(from, 0).Name, func(f []byte) bool { return bytes.Equal(f, asSent(p)) })
	}
	return got
}

// asSent is a packet as it leaves the switch: with its tag (IEEE 802.1Q).
func asSent(p app.PacketOut) []byte {
	const addresses = 12
	if p.VLAN == 0 {
		return p.Data
	}
	tag := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, flow.EthTypeVLAN), p.VLAN)
	return slices.Concat(p.Data[:addresses], tag, p.Data[addresses:])
}

// Hand gives a frame to the switch at a device, waits until it comes to the controller, has the app answer it, and
// sends the answer.
func (c *Controller) Hand(a *app.App, device string, frame []byte) Asked {
	c.s.w.t.Helper()
	c.s.Inject(device, frame)
	return c.Hear(a, device)
}

// Hear is Hand for a frame that has been given to a switch already.
func (c *Controller) Hear(a *app.App, device string) Asked {
	t := c.s.w.t
	t.Helper()
	in := c.next(device)
	if len(in.Userdata) == 0 || in.Userdata[0] != a.ID {
		t.Fatalf("userdata %x is not of app %s", in.Userdata, a.Name)
	}
	var got Asked
	got.Reply, got.Err = a.PacketIn(view.NewReader(c.s.w.DB, c.s.w.Numbers, nil), app.PacketIn{
		Userdata: in.Userdata[1:], InPort: in.InPort(), Data: in.Data,
		SourcePort: uint32(in.Register(pipeline.SourcePort.Field)), Network: uint32(in.Register(pipeline.Network.Field)),
		Router: uint32(in.Register(pipeline.Router.Field)), CameBy: uint32(in.Register(pipeline.CameBy.Field)),
		Refusal: uint32(in.Register(pipeline.Refusal.Field)), At: time.Now(),
	})
	ctx, cancel := context.WithTimeout(context.Background(), ovs.Deadline)
	defer cancel()
	for _, p := range got.Reply.Packets {
		if err := c.conn.PacketOut(ctx, openflow.PacketOut{Actions: p.Actions(), Data: p.Data}); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// next waits for a packet that came in at a device.
func (c *Controller) next(device string) openflow.PacketIn {
	c.s.w.t.Helper()
	deadline := time.NewTimer(ovs.Deadline)
	defer deadline.Stop()
	select {
	case in := <-c.conn.PacketIns():
		return in
	case <-deadline.C:
		c.s.w.t.Fatalf("no packet came to the controller from %s", device)
		return openflow.PacketIn{}
	}
}

// Quiet gives a frame to the switch and reports whether it did not come to the controller.
func (c *Controller) Quiet(from *model.Port, frame []byte) bool {
	c.s.w.t.Helper()
	c.s.Inject(Plug(from, 0).Name, frame)
	c.s.Settle()
	return c.came() == 0
}

// Flood gives many copies of a frame to the switch at once and returns how many came to the controller.
func (c *Controller) Flood(from *model.Port, frame []byte, copies int) int {
	c.s.w.t.Helper()
	args := []string{Plug(from, 0).Name}
	for range copies {
		args = append(args, hex.EncodeToString(frame))
	}
	c.s.Appctl("netdev-dummy/receive", args...)
	for range copies { // a dummy port lets in one frame in each round of ovs-vswitchd's loop
		c.s.Settle()
	}
	return c.came()
}

// came takes the packets that the switch has sent to the controller so far and counts them. They are in order with
// the switch's answer to a barrier.
func (c *Controller) came() (n int) {
	t := c.s.w.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), ovs.Deadline)
	defer cancel()
	if err := c.conn.Barrier(ctx); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case <-c.conn.PacketIns():
			n++
		default:
			return n
		}
	}
}
