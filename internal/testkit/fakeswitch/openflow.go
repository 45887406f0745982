package fakeswitch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// OpenFlow 1.4 §7.1 and nicira-ext.h, the part that a controller uses.
const (
	version = 5

	typeHello         = 0
	typeError         = 1
	typeEchoRequest   = 2
	typeEchoReply     = 3
	typeExperimenter  = 4
	typeSetConfig     = 9
	typePacketOut     = 13
	typeFlowMod       = 14
	typeGroupMod      = 15
	typeMultipart     = 18
	typeMultipartRep  = 19
	typeBarrier       = 20
	typeBarrierReply  = 21
	typeMeterMod      = 29
	typeBundleControl = 33
	typeBundleAdd     = 34

	headerSize = 8
	maxBundles = 64
)

// Errors of OpenFlow 1.4 §7.4.4, type and code.
type ofError struct{ kind, code uint16 }

var (
	badType       = ofError{1, 1}
	badMultipart  = ofError{1, 2}
	badLength     = ofError{1, 6}
	badCommand    = ofError{5, 6}
	groupExists   = ofError{6, 0}
	unknownGroup  = ofError{6, 8}
	badGroupMod   = ofError{6, 11}
	meterExists   = ofError{12, 1}
	unknownMeter  = ofError{12, 3}
	badMeterMod   = ofError{12, 4}
	badBundle     = ofError{17, 2}
	bundleExists  = ofError{17, 3}
	tooMany       = ofError{17, 5}
	badBundleType = ofError{17, 6}
)

// Error says what is wrong.
func (e ofError) Error() string { return fmt.Sprintf("error type %d code %d", e.kind, e.code) }

// session is one OpenFlow connection.
type session struct {
	s       *Switch
	out     *bufio.Writer
	bundles map[uint32][]flowMod
}

// serveOpenFlow answers one controller until the connection ends.
func (s *Switch) serveOpenFlow(c net.Conn) error {
	in := bufio.NewReaderSize(c, 32<<10)
	x := &session{s: s, out: bufio.NewWriterSize(c, 32<<10), bundles: map[uint32][]flowMod{}}
	x.send(typeHello, 1, []byte{0, 1, 0, 8, 0, 0, 0, 1 << version})
	for {
		if in.Buffered() == 0 {
			if err := x.out.Flush(); err != nil {
				return err
			}
		}
		head, err := in.Peek(headerSize)
		if err != nil {
			return err
		}
		msg := make([]byte, binary.BigEndian.Uint16(head[2:]))
		if len(msg) < headerSize {
			return errors.New("message without header")
		}
		if _, err := io.ReadFull(in, msg); err != nil {
			return err
		}
		xid := binary.BigEndian.Uint32(msg[4:])
		err = x.handle(msg[1], xid, msg)
		if wrong := (ofError{}); errors.As(err, &wrong) {
			b := binary.BigEndian.AppendUint16(nil, wrong.kind)
			b = binary.BigEndian.AppendUint16(b, wrong.code)
			x.send(typeError, xid, append(b, msg[:min(len(msg), 64)]...))
		}
	}
}

// send queues a message; whether it can be sent shows at the flush.
func (x *session) send(kind uint8, xid uint32, body []byte) {
	head := [headerSize]byte{version, kind}
	binary.BigEndian.PutUint16(head[2:], uint16(headerSize+len(body)))
	binary.BigEndian.PutUint32(head[4:], xid)
	_, _ = x.out.Write(head[:])
	_, _ = x.out.Write(body)
}

func (x *session) handle(kind uint8, xid uint32, msg []byte) error {
	switch kind {
	case typeHello, typeEchoReply, typeSetConfig, typePacketOut, typeExperimenter:
		return nil // nothing to answer: Nicira's messages set up packet-ins and flush connections
	case typeEchoRequest:
		x.send(typeEchoReply, xid, msg[headerSize:])
		return nil
	case typeBarrier:
		x.send(typeBarrierReply, xid, nil)
		return nil
	case typeFlowMod:
		m, err := readFlowMod(msg)
		if err == nil {
			x.s.commit([]flowMod{m})
		}
		return err
	case typeGroupMod:
		return x.s.groupMod(msg)
	case typeMeterMod:
		return x.s.meterMod(msg)
	case typeMultipart:
		return x.multipart(xid, msg)
	case typeBundleControl:
		return x.bundle(xid, msg)
	case typeBundleAdd:
		return x.bundleAdd(msg)
	}
	return badType
}

// bundle opens, commits or discards a bundle: OpenFlow 1.4 §7.3.9.
func (x *session) bundle(xid uint32, msg []byte) error {
	if len(msg) < 16 {
		return badLength
	}
	id, what := binary.BigEndian.Uint32(msg[8:]), binary.BigEndian.Uint16(msg[12:])
	mods, open := x.bundles[id]
	switch {
	case what == 0 && open:
		return bundleExists
	case what == 0 && len(x.bundles) >= maxBundles:
		return tooMany
	case what == 0:
		x.bundles[id] = []flowMod{}
	case what != 4 && what != 6:
		return badBundleType
	case !open:
		return badBundle
	default:
		delete(x.bundles, id)
		if what == 4 {
			x.s.commit(mods)
		}
	}
	body := append([]byte{}, msg[8:16]...)
	binary.BigEndian.PutUint16(body[4:], what+1)
	x.send(typeBundleControl, xid, body)
	return nil
}

func (x *session) bundleAdd(msg []byte) error {
	if len(msg) < 16+headerSize {
		return badLength
	}
	id := binary.BigEndian.Uint32(msg[8:])
	if _, open := x.bundles[id]; !open {
		return badBundle
	}
	if msg[17] != typeFlowMod {
		return badBundleType
	}
	m, err := readFlowMod(msg[16:])
	if err == nil {
		x.bundles[id] = append(x.bundles[id], m)
	}
	return err
}
