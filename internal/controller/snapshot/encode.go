package snapshot

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A log file is the magic and then frames. A frame is the length of its payload and the payload's
// CRC-32C, both 32 bits big-endian, and the payload: a sequence number and records. Numbers are
// varints, strings have their length before them.
const magic = "dragonflow view 1\n"

const (
	frameHeader = 8
	// maxFrame bounds what one frame may hold; a longer batch is refused.
	maxFrame = 256 << 20
	// baseFrame is about how large the frames of a rewritten state are.
	baseFrame = 1 << 20
)

// The first byte of a record.
const (
	tagPut byte = iota + 1
	tagRemove
	tagInSync
	tagForget
	tagAssign
	tagRelease
	tagLearn
	tagUnlearn
)

var (
	errMalformed = errors.New("malformed record")
	errMagic     = errors.New("not a view log of this version")
)

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendStrings(b []byte, tag byte, ss ...string) []byte {
	b = append(b, tag)
	for _, s := range ss {
		b = appendString(b, s)
	}
	return b
}

func (r Put) encode(b []byte) []byte {
	b = appendStrings(b, tagPut, r.Scope, r.Kind, r.ID)
	b = binary.AppendUvarint(b, uint64(len(r.Value)))
	return binary.AppendVarint(append(b, r.Value...), r.Revision)
}

func (r Remove) encode(b []byte) []byte { return appendStrings(b, tagRemove, r.Scope, r.Kind, r.ID) }

func (r InSync) encode(b []byte) []byte {
	return binary.AppendVarint(appendStrings(b, tagInSync, r.Scope), r.Revision)
}

func (r Forget) encode(b []byte) []byte { return appendStrings(b, tagForget, r.Scope) }

func (r Assign) encode(b []byte) []byte {
	return binary.AppendUvarint(appendStrings(b, tagAssign, r.Space, r.Content), r.Number)
}

func (r Release) encode(b []byte) []byte { return appendStrings(b, tagRelease, r.Space, r.Content) }

func (r Learn) encode(b []byte) []byte {
	b = appendStrings(b, tagLearn, r.Table, r.Key)
	b = binary.AppendUvarint(b, uint64(len(r.Value)))
	return binary.AppendVarint(append(b, r.Value...), r.Until)
}

func (r Unlearn) encode(b []byte) []byte { return appendStrings(b, tagUnlearn, r.Table, r.Key) }

// appendFrame appends a frame for the sequence number and records.
func appendFrame(b []byte, seq uint64, records ...Record) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, frameHeader)...)
	b = binary.AppendUvarint(b, seq)
	for _, r := range records {
		b = r.encode(b)
	}
	payload := b[start+frameHeader:]
	if len(payload) > maxFrame {
		return b[:start], fmt.Errorf("a batch of %d bytes is larger than %d", len(payload), maxFrame)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(payload)))
	binary.BigEndian.PutUint32(b[start+4:], crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)))
	return b, nil
}

// reader takes a payload apart; once something is missing everything after it is zero and bad is set.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) string() string { return string(r.bytes()) }

func (r *reader) record() Record {
	tag := r.b[0]
	r.b = r.b[1:]
	switch tag {
	case tagPut:
		return Put{r.string(), r.string(), r.string(), r.bytes(), r.varint()}
	case tagRemove:
		return Remove{r.string(), r.string(), r.string()}
	case tagInSync:
		return InSync{r.string(), r.varint()}
	case tagForget:
		return Forget{r.string()}
	case tagAssign:
		return Assign{r.string(), r.string(), r.uvarint()}
	case tagRelease:
		return Release{r.string(), r.string()}
	case tagLearn:
		return Learn{r.string(), r.string(), r.bytes(), r.varint()}
	case tagUnlearn:
		return Unlearn{r.string(), r.string()}
	}
	r.bad = true
	return nil
}

// decode returns a payload's sequence number and records, all or none. The records' values share the
// payload's memory.
func decode(payload []byte) (uint64, []Record, error) {
	r := &reader{b: payload}
	seq := r.uvarint()
	var records []Record
	for len(r.b) > 0 && !r.bad {
		records = append(records, r.record())
	}
	if r.bad {
		return 0, nil, errMalformed
	}
	return seq, records, nil
}

// read replays a log of the given size up to the first thing that is wrong with it, and returns the
// state and how many bytes are good. Only a file that is no log at all, or that cannot be read, is an
// error; an empty one is an empty state.
func read(from io.Reader, size int64) (*State, int64, error) {
	s := newState()
	if size == 0 {
		return s, 0, nil
	}
	in := bufio.NewReaderSize(from, 1<<16)
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != magic {
		if err != nil && !isShort(err) {
			return nil, 0, err
		}
		return nil, 0, errMagic
	}
	good := int64(len(magic))
	for {
		payload, err := readFrame(in, size-good)
		if err != nil {
			return nil, 0, err
		}
		if payload == nil {
			break
		}
		seq, records, err := decode(payload)
		if err != nil || seq != 0 && seq <= s.Seq {
			break
		}
		for _, r := range records {
			r.apply(s)
		}
		s.Seq = max(s.Seq, seq)
		good += frameHeader + int64(len(payload))
	}
	s.Dropped = size - good
	return s, good, nil
}

// readFrame returns the next payload, or nil if there is no whole and right one.
func readFrame(in io.Reader, left int64) ([]byte, error) {
	var head [frameHeader]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, ignoreShort(err)
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n == 0 || n > maxFrame || n > left-frameHeader {
		return nil, nil
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(in, payload); err != nil {
		return nil, ignoreShort(err)
	}
	if crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(head[4:]) {
		return nil, nil
	}
	return payload, nil
}

func isShort(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

func ignoreShort(err error) error {
	if isShort(err) {
		return nil
	}
	return err
}
