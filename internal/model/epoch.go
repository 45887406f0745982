package model

// KindEpoch is the kind of the one Epoch.
const KindEpoch Kind = "Epoch"

// EpochID is the id of the one Epoch.
const EpochID = "epoch"

// Epoch says that the content of the database is to be believed even where it is older than what a
// chassis has seen. Its number is raised by whoever repaired or accepted a database that went back in
// time; chassis that froze on their last view then follow again.
type Epoch struct {
	Meta
	Number int64 `json:"number"`
	// Reason is who raised it and why, for people.
	Reason string `json:"reason,omitzero"`
}

// Kind returns KindEpoch.
func (e *Epoch) Kind() Kind { return KindEpoch }

// Scope is the global one.
func (e *Epoch) Scope() string { return ScopeGlobal }

// Validate checks the number; there is only one epoch.
func (e *Epoch) Validate() error {
	var p problems
	p.meta(&e.Meta)
	p.check(e.ID == EpochID, "id", "must be %q, is %q", EpochID, e.ID)
	p.check(e.Number > 0, "number", "must be positive, is %d", e.Number)
	return p.result(e)
}
