package pipeline

import "github.com/dragonflow/dragonflow/internal/controller/flow"

// A cookie says that a flow is ours and whose:
//
//	63      56 55   52 51     44 43                                         0
//	┌─────────┬───────┬─────────┬────────────────────────────────────────────┐
//	│ mark 8  │ lay 4 │  app 8  │ owner 44: hash of (rule, kind, key)        │
//	└─────────┴───────┴─────────┴────────────────────────────────────────────┘
//
// What carries the mark and is not desired is stale. What does not carry it belongs to somebody else and
// is never touched.
const (
	cookieMark uint64 = 0xdf << 56
	// CookieMask selects the mark, for dumps and for telling ours from others'.
	CookieMask uint64 = 0xff << 56
	ownerMask  uint64 = 1<<44 - 1
)

// CookieMark is the value of the mark under CookieMask.
const CookieMark = cookieMark

// Cookie builds the cookie of a flow from its app's number and the hash of its owner.
func Cookie(app uint8, ownerHash uint64) uint64 {
	return cookieMark | Layout<<52 | uint64(app)<<44 | ownerHash&ownerMask
}

// CookieApp returns the app's number of a cookie and whether the cookie is ours.
func CookieApp(cookie uint64) (uint8, bool) {
	return uint8(cookie >> 44), cookie&CookieMask == cookieMark
}

// MarkerApp is the app number in the cookie of the marker flow.
const MarkerApp uint8 = 0xff

// LoggingApp is the number of the app that has packets logged: what its flows send to the controller is a copy, and what
// becomes of the packet is what the flow does besides.
const LoggingApp uint8 = 6

// IsLogged reports whether what is sent to the controller is a copy for a log.
func IsLogged(p flow.Punt) bool { return len(p.Userdata) > 0 && p.Userdata[0] == LoggingApp }

// ControllerID is the OpenFlow controller id of the connection that receives packets of guests.
const ControllerID uint16 = 0xdf
