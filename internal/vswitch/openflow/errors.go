package openflow

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of a connection that has ended; [Conn.Err] wraps one of them.
var (
	ErrClosed   = errors.New("closed by this side")
	ErrSilent   = errors.New("the switch answers no probe")
	ErrStuck    = errors.New("the switch reads nothing")
	ErrProtocol = errors.New("the switch breaks the protocol")
)

// ErrTooMuch is the error of a request whose reply exceeds [Options.MaxReply].
var ErrTooMuch = errors.New("reply is too large")

// Error is an OFPT_ERROR from the switch: OpenFlow 1.4 §7.4.4.
type Error struct {
	Type, Code   uint16
	Experimenter uint32 // of an experimenter's error, whose number is Code
}

// Error returns the name that the specification gives, such as "OFPBMC_BAD_PREREQ (bad match: …)".
func (e *Error) Error() string {
	if e.Experimenter != 0 {
		if name, ok := niciraErrors[e.Code]; ok && e.Experimenter == nicira {
			return name
		}
		return fmt.Sprintf("error %d of experimenter %#x", e.Code, e.Experimenter)
	}
	if int(e.Type) < len(errorNames) {
		t := errorNames[e.Type]
		if int(e.Code) < len(t.codes) && t.codes[e.Code] != "" {
			return fmt.Sprintf("%s_%s (%s)", t.prefix, t.codes[e.Code], t.what)
		}
		return fmt.Sprintf("%s code %d", t.what, e.Code)
	}
	return fmt.Sprintf("error type %d code %d", e.Type, e.Code)
}

// readError reads the body of an OFPT_ERROR.
func readError(b []byte) *Error {
	if len(b) < 4 {
		return &Error{Type: 0xffff, Code: 0xffff}
	}
	e := &Error{Type: binary.BigEndian.Uint16(b), Code: binary.BigEndian.Uint16(b[2:])}
	if e.Type == 0xffff && len(b) >= 8 {
		e.Experimenter = binary.BigEndian.Uint32(b[4:])
	}
	return e
}

// errorType has the names of one type of error by code.
type errorType struct {
	what, prefix string
	codes        []string
}

// errorNames are the names of OpenFlow 1.4 §7.4.4 by type.
var errorNames = [...]errorType{
	0: {"hello failed", "OFPHFC", []string{"INCOMPATIBLE", "EPERM"}},
	1: {"bad request", "OFPBRC", []string{"BAD_VERSION", "BAD_TYPE", "BAD_MULTIPART", "BAD_EXPERIMENTER", "BAD_EXP_TYPE", "EPERM",
		"BAD_LEN", "BUFFER_EMPTY", "BUFFER_UNKNOWN", "BAD_TABLE_ID", "IS_SLAVE", "BAD_PORT", "BAD_PACKET",
		"MULTIPART_BUFFER_OVERFLOW", "MULTIPART_REQUEST_TIMEOUT", "MULTIPART_REPLY_TIMEOUT"}},
	2: {"bad action", "OFPBAC", []string{"BAD_TYPE", "BAD_LEN", "BAD_EXPERIMENTER", "BAD_EXP_TYPE", "BAD_OUT_PORT", "BAD_ARGUMENT",
		"EPERM", "TOO_MANY", "BAD_QUEUE", "BAD_OUT_GROUP", "MATCH_INCONSISTENT", "UNSUPPORTED_ORDER", "BAD_TAG",
		"BAD_SET_TYPE", "BAD_SET_LEN", "BAD_SET_ARGUMENT"}},
	3: {"bad instruction", "OFPBIC", []string{"UNKNOWN_INST", "UNSUP_INST", "BAD_TABLE_ID", "UNSUP_METADATA", "UNSUP_METADATA_MASK",
		"BAD_EXPERIMENTER", "BAD_EXP_TYPE", "BAD_LEN", "EPERM", "DUP_INST"}},
	4: {"bad match", "OFPBMC", []string{"BAD_TYPE", "BAD_LEN", "BAD_TAG", "BAD_DL_ADDR_MASK", "BAD_NW_ADDR_MASK", "BAD_WILDCARDS",
		"BAD_FIELD", "BAD_VALUE", "BAD_MASK", "BAD_PREREQ", "DUP_FIELD", "EPERM"}},
	5: {"flow-mod failed", "OFPFMFC", []string{"UNKNOWN", "TABLE_FULL", "BAD_TABLE_ID", "OVERLAP", "EPERM", "BAD_TIMEOUT",
		"BAD_COMMAND", "BAD_FLAGS", "CANT_SYNC", "BAD_PRIORITY", "IS_SYNC"}},
	6: {"group-mod failed", "OFPGMFC", []string{"GROUP_EXISTS", "INVALID_GROUP", "WEIGHT_UNSUPPORTED", "OUT_OF_GROUPS",
		"OUT_OF_BUCKETS", "CHAINING_UNSUPPORTED", "WATCH_UNSUPPORTED", "LOOP", "UNKNOWN_GROUP", "CHAINED_GROUP", "BAD_TYPE",
		"BAD_COMMAND", "BAD_BUCKET", "BAD_WATCH", "EPERM"}},
	7:  {"port-mod failed", "OFPPMFC", []string{"BAD_PORT", "BAD_HW_ADDR", "BAD_CONFIG", "BAD_ADVERTISE", "EPERM"}},
	8:  {"table-mod failed", "OFPTMFC", []string{"BAD_TABLE", "BAD_CONFIG", "EPERM"}},
	9:  {"queue operation failed", "OFPQOFC", []string{"BAD_PORT", "BAD_QUEUE", "EPERM"}},
	10: {"switch configuration failed", "OFPSCFC", []string{"BAD_FLAGS", "BAD_LEN", "EPERM"}},
	11: {"role request failed", "OFPRRFC", []string{"STALE", "UNSUP", "BAD_ROLE"}},
	12: {"meter-mod failed", "OFPMMFC", []string{"UNKNOWN", "METER_EXISTS", "INVALID_METER", "UNKNOWN_METER", "BAD_COMMAND",
		"BAD_FLAGS", "BAD_RATE", "BAD_BURST", "BAD_BAND", "BAD_BAND_VALUE", "OUT_OF_METERS", "OUT_OF_BANDS"}},
	13: {"table features failed", "OFPTFFC", []string{"BAD_TABLE", "BAD_METADATA", "BAD_TYPE", "BAD_LEN", "BAD_ARGUMENT", "EPERM"}},
	14: {"bad property", "OFPBPC", []string{"BAD_TYPE", "BAD_LEN", "BAD_VALUE", "TOO_MANY", "DUP_TYPE", "BAD_EXPERIMENTER",
		"BAD_EXP_TYPE", "BAD_EXP_VALUE", "EPERM"}},
	15: {"asynchronous configuration failed", "OFPACFC", []string{"INVALID", "UNSUPPORTED", "EPERM"}},
	16: {"flow monitor failed", "OFPMOFC", []string{"UNKNOWN", "MONITOR_EXISTS", "INVALID_MONITOR", "UNKNOWN_MONITOR",
		"BAD_COMMAND", "BAD_FLAGS", "BAD_TABLE_ID", "BAD_OUT"}},
	17: {"bundle failed", "OFPBFC", []string{"UNKNOWN", "EPERM", "BAD_ID", "BUNDLE_EXIST", "BUNDLE_CLOSED", "OUT_OF_BUNDLES",
		"BAD_TYPE", "BAD_FLAGS", "MSG_BAD_LEN", "MSG_BAD_XID", "MSG_UNSUP", "MSG_CONFLICT", "MSG_TOO_MANY", "MSG_FAILED",
		"TIMEOUT", "BUNDLE_IN_PROGRESS"}},
}

// niciraErrors are the names of Open vSwitch's own errors that a controller may meet.
var niciraErrors = map[uint16]string{
	2:  "NXBRC_NXM_INVALID (invalid flow match)",
	3:  "NXBRC_NXM_BAD_TYPE (unknown field in a match)",
	4:  "NXBRC_MUST_BE_ZERO (a field that must be zero is not)",
	11: "NXBAC_MUST_BE_ZERO (an argument of an action that must be zero is not)",
	12: "NXFMFC_HARDWARE (hardware error)",
	13: "NXFMFC_BAD_TABLE_ID (no such table)",
	15: "NXBAC_BAD_CONJUNCTION (conjunction must stand alone)",
	22: "OFPBFC_BAD_VERSION (bundle message of another version)",
	37: "NXFMFC_INVALID_TLV_FIELD (invalid tunnel metadata field)",
	42: "NXBAC_CT_DATAPATH_SUPPORT (the datapath lacks connection tracking)",
	43: "NXBMC_CT_DATAPATH_SUPPORT (the datapath lacks connection tracking)",
}
