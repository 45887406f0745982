package model

import "time"

// KindChassisStatus is the kind of what a chassis reports of itself.
const KindChassisStatus Kind = "ChassisStatus"

// ChassisStatus says how far a chassis is. Its ID is the chassis' name. The chassis writes it into its own
// scope, rarely and coalesced, and nobody follows it but servers and operators. It stays when the
// controller ends.
//
// Received and Realised are revisions of the database. Where that numbers each scope by itself, they say
// only whether they differ.
type ChassisStatus struct {
	Meta
	// Started is when the controller started, in RFC 3339.
	Started string `json:"started,omitzero"`
	// Reported is when this was written, in RFC 3339.
	Reported string `json:"reported,omitzero"`
	// Received is the newest revision in what the chassis has read.
	Received int64 `json:"received"`
	// Realised is the revision up to which the switch has confirmed what follows from what was read.
	Realised int64 `json:"realised"`
	// BehindSince is since when Realised has been lower than Received, in RFC 3339; empty if it is not.
	BehindSince string `json:"behind_since,omitzero"`
}

// Kind returns KindChassisStatus.
func (s *ChassisStatus) Kind() Kind { return KindChassisStatus }

// Scope is that of the chassis.
func (s *ChassisStatus) Scope() string { return ScopeChassis(s.ID) }

// Validate checks the name, the revisions and the times.
func (s *ChassisStatus) Validate() error {
	var p problems
	p.meta(&s.Meta)
	p.check(s.Realised >= 0 && s.Realised <= s.Received, "realised", "must lie in 0..received, is %d of %d", s.Realised, s.Received)
	for field, at := range map[string]string{"started": s.Started, "reported": s.Reported, "behind_since": s.BehindSince} {
		_, err := time.Parse(time.RFC3339, at)
		p.check(at == "" || err == nil, field, "%q is not a time", at)
	}
	return p.result(s)
}
