// Package snapshot keeps a chassis' view in its state directory, so that a controller that starts while
// the database is down has what its predecessor knew: the objects of each scope, which scopes were in
// sync, and the chassis-local numbers.
//
// It is a log: [Log.Append] adds what changed before the switch is told, and returns a sequence number
// that the controller stores in the switch together with the change. A log whose last number is at least
// the switch's knows everything that led to the switch's state; one with a lower number does not, and
// whoever starts from it must not delete.
//
// Appending survives a crash of the process, not of the machine: it does not sync to disk, which would
// cost more than what it protects, since a machine that starts again has an empty switch.
package snapshot

import (
	"github.com/dragonflow/dragonflow/internal/northbound/db"
)

// Record is one change of the view: one of this package's types below.
type Record interface {
	encode(b []byte) []byte
	apply(s *State)
}

// Put says that the view has an object.
type Put struct {
	Scope, Kind, ID string
	Value           []byte
	Revision        int64
}

// Remove says that the view has an object no more.
type Remove struct{ Scope, Kind, ID string }

// InSync says that the view had all of the scope, as of a revision of the database.
type InSync struct {
	Scope    string
	Revision int64
}

// Forget says that the view has nothing of the scope any more.
type Forget struct{ Scope string }

// Assign says that a content has a number in a space, such as a port its key.
type Assign struct {
	Space, Content string
	Number         uint64
}

// Release says that a content has no number in the space any more.
type Release struct{ Space, Content string }

// Learn says that the chassis has learned a fact by itself: a row of a table, until a time in milliseconds since 1970.
type Learn struct {
	Table, Key string
	Value      []byte
	Until      int64
}

// Unlearn says that a fact is no more.
type Unlearn struct{ Table, Key string }

// Name is an object's name in its scope, or the table and the key of a fact.
type Name struct{ Kind, ID string }

// Fact is the row of a fact, and until when it is one.
type Fact struct {
	Value []byte
	Until int64
}

// Object is a stored value and the database's revision of it.
type Object struct {
	Value    []byte
	Revision int64
}

// Scope is what the view has of one scope.
type Scope struct {
	// Synced says that the scope was in sync once, as of Revision at least.
	Synced   bool
	Revision int64
	Objects  map[Name]Object
}

// State is what a log amounts to.
type State struct {
	// Seq is the number of the last batch; zero if there is none or if the log is damaged before its
	// first complete state.
	Seq uint64
	// Scopes by name, and numbers by space and content.
	Scopes  map[string]*Scope
	Numbers map[string]map[string]uint64
	// Facts are what the chassis had learned.
	Facts map[Name]Fact
	// Dropped is how many bytes at the end could not be used: the rest of a write that a crash
	// interrupted, or damage.
	Dropped int64
}

func newState() *State {
	return &State{Scopes: map[string]*Scope{}, Numbers: map[string]map[string]uint64{}, Facts: map[Name]Fact{}}
}

// Held returns what the state has of a scope as the database's watch would have sent it, for a
// subscriber that compares.
func (s *State) Held(scope string) ([]db.Item, db.Revision) {
	sc := s.Scopes[scope]
	if sc == nil {
		return nil, 0
	}
	items := make([]db.Item, 0, len(sc.Objects))
	for n, o := range sc.Objects {
		items = append(items, db.Item{Key: db.Key{Scope: db.Scope(scope), Kind: n.Kind, ID: n.ID},
			Value: o.Value, Revision: db.Revision(o.Revision)})
	}
	return items, db.Revision(sc.Revision)
}

// records yields what makes the state from nothing.
func (s *State) records(yield func(Record) bool) {
	for name, sc := range s.Scopes {
		for n, o := range sc.Objects {
			if !yield(Put{name, n.Kind, n.ID, o.Value, o.Revision}) {
				return
			}
		}
		if sc.Synced && !yield(InSync{name, sc.Revision}) {
			return
		}
	}
	for n, f := range s.Facts {
		if !yield(Learn{n.Kind, n.ID, f.Value, f.Until}) {
			return
		}
	}
	for space, numbers := range s.Numbers {
		for content, number := range numbers {
			if !yield(Assign{space, content, number}) {
				return
			}
		}
	}
}

func (s *State) scope(name string) *Scope {
	sc := s.Scopes[name]
	if sc == nil {
		sc = &Scope{Objects: map[Name]Object{}}
		s.Scopes[name] = sc
	}
	return sc
}

func (r Put) apply(s *State) {
	s.scope(r.Scope).Objects[Name{r.Kind, r.ID}] = Object{r.Value, r.Revision}
}

func (r Remove) apply(s *State) {
	if sc := s.Scopes[r.Scope]; sc != nil {
		delete(sc.Objects, Name{r.Kind, r.ID})
	}
}

func (r InSync) apply(s *State) {
	sc := s.scope(r.Scope)
	sc.Synced, sc.Revision = true, r.Revision
}

func (r Forget) apply(s *State) { delete(s.Scopes, r.Scope) }

func (r Assign) apply(s *State) {
	if s.Numbers[r.Space] == nil {
		s.Numbers[r.Space] = map[string]uint64{}
	}
	s.Numbers[r.Space][r.Content] = r.Number
}

func (r Release) apply(s *State) {
	delete(s.Numbers[r.Space], r.Content)
	if len(s.Numbers[r.Space]) == 0 {
		delete(s.Numbers, r.Space)
	}
}

func (r Learn) apply(s *State) { s.Facts[Name{r.Table, r.Key}] = Fact{r.Value, r.Until} }

func (r Unlearn) apply(s *State) { delete(s.Facts, Name{r.Table, r.Key}) }
