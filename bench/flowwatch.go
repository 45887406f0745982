package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// flowWatch hears every change of a bridge's flows from the switch itself, by a flow monitor of OpenFlow
// 1.4 (§7.3.5.21): so the flows of any controller are seen in the same way and by the same clock.
type flowWatch struct {
	conn net.Conn
	done chan struct{}
	// err is why it ended; valid after done.
	err error

	mu sync.Mutex
	// changes counts flows added, changed and removed, and last is when the latest was heard.
	changes int
	last    time.Time
	// needles are looked for in the matches of flows that are added.
	needles [][]byte
	hits    int
	// at is when each hit was heard.
	at []time.Time
}

// Messages and flags of OpenFlow 1.4 that a flow monitor needs.
const (
	ofVersion        = 5
	ofHello          = 0
	ofError          = 1
	ofEchoRequest    = 2
	ofEchoReply      = 3
	ofMultipart      = 18
	ofMultipartRep   = 19
	ofpmpFlowMonitor = 16
	ofpfmfAdd        = 1 << 1
	ofpfmfRemoved    = 1 << 2
	ofpfmfModify     = 1 << 3
	ofpfmeAdded      = 1
	ofpfmeModified   = 3
	flowUpdateSize   = 24
)

// watchFlows begins to listen at a bridge's management socket, until the end of the experiment.
func (r *run) watchFlows(ctx context.Context, mgmt string) (*flowWatch, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", mgmt)
	if err != nil {
		return nil, fmt.Errorf("watch flows: %w", err)
	}
	w := &flowWatch{conn: conn, done: make(chan struct{}), last: time.Now()}
	var b []byte
	b = append(b, ofVersion, ofHello, 0, 8, 0, 0, 0, 1)
	b = append(b, ofVersion, ofMultipart, 0, 40, 0, 0, 0, 2)
	b = append(b, 0, ofpmpFlowMonitor, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, 1)          // the monitor's id
	b = binary.BigEndian.AppendUint32(b, 0xffffffff) // any port
	b = binary.BigEndian.AppendUint32(b, 0xffffffff) // any group
	b = binary.BigEndian.AppendUint16(b, ofpfmfAdd|ofpfmfRemoved|ofpfmfModify)
	b = append(b, 0xff, 0)                // all tables, add
	b = append(b, 0, 1, 0, 4, 0, 0, 0, 0) // every match
	if _, err := conn.Write(b); err != nil {
		return nil, fmt.Errorf("watch flows: %w", err)
	}
	go func() {
		defer close(w.done)
		w.err = w.read()
	}()
	r.atEnd(func() { _ = conn.Close(); <-w.done })
	return w, nil
}

func (w *flowWatch) read() error {
	head := make([]byte, 8)
	body := make([]byte, 1<<16)
	for {
		if _, err := io.ReadFull(w.conn, head); err != nil {
			return err
		}
		n := int(binary.BigEndian.Uint16(head[2:])) - 8
		if n < 0 {
			return fmt.Errorf("message of %d bytes", n+8)
		}
		if _, err := io.ReadFull(w.conn, body[:n]); err != nil {
			return err
		}
		switch head[1] {
		case ofEchoRequest:
			head[1] = ofEchoReply
			if _, err := w.conn.Write(append(bytes.Clone(head), body[:n]...)); err != nil {
				return err
			}
		case ofError:
			return fmt.Errorf("the switch refused the flow monitor: % x", body[:min(n, 20)])
		case ofMultipartRep:
			if n >= 8 {
				w.take(body[8:n])
			}
		}
	}
}

// take notes the updates of one message.
func (w *flowWatch) take(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for len(b) >= 4 {
		n := int(binary.BigEndian.Uint16(b))
		if n < 4 || n > len(b) {
			return
		}
		event := binary.BigEndian.Uint16(b[2:])
		if event <= ofpfmeModified {
			w.changes++
			w.last = now
		}
		if event == ofpfmeAdded && n > flowUpdateSize && w.wanted(b[flowUpdateSize:n]) {
			w.hits++
			w.at = append(w.at, now)
		}
		b = b[n:]
	}
}

func (w *flowWatch) wanted(match []byte) bool {
	for _, n := range w.needles {
		if bytes.Contains(match, n) {
			return true
		}
	}
	return false
}

// look begins to count flows that are added with one of these in their match.
func (w *flowWatch) look(needles ...[]byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.needles, w.hits, w.at = needles, 0, nil
}

// count returns how many changes there were, and when the last.
func (w *flowWatch) count() (int, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes, w.last
}

// found returns how many of those looked for were added.
func (w *flowWatch) found() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.hits
}

// hit is when the n-th of those looked for was added, n from 1.
func (w *flowWatch) hit(n int) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at[n-1]
}
