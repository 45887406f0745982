package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Severity says what a condition means for those who use the process.
type Severity uint8

// The severities, from mildest to worst.
const (
	// Notice is worth knowing; everything works.
	Notice Severity = iota
	// Degraded means that something works less well than promised.
	Degraded
	// NotReady means that the process cannot do its work.
	NotReady
)

// String names the severity as metrics and /readyz do.
func (s Severity) String() string { return [...]string{"notice", "degraded", "not-ready"}[s] }

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the severity's name.
func (s *Severity) UnmarshalText(name []byte) error {
	for _, known := range []Severity{Notice, Degraded, NotReady} {
		if known.String() == string(name) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("%q is not a severity", name)
}

// Warning is a kind of trouble, declared before it can happen.
type Warning struct {
	// Code names it for programs: words in lower case with hyphens, unique in the process.
	Code string
	// Severity is the same whenever it is raised.
	Severity Severity
	// Title says in a sentence what it means.
	Title string
	// Remedy says in a sentence what a person can do about it.
	Remedy string
	// After is for how long the trouble must last before it is shown. It does not delay [Health.Ready].
	After time.Duration
	// Causes are the codes of warnings that explain this one: while one of them is raised, this one is
	// not shown.
	Causes []string
}

// Condition is a raised warning.
type Condition struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	Title    string   `json:"title"`
	// Object is what the condition is about, such as a port; empty if it is about the process.
	Object string `json:"object,omitempty"`
	// Detail says what happened this time.
	Detail string    `json:"detail,omitempty"`
	Remedy string    `json:"remedy,omitempty"`
	Since  time.Time `json:"since"`
}

// Health holds the conditions of a process. All its methods may be called at the same time.
type Health struct {
	now func() time.Time

	mu       sync.Mutex
	warnings map[string]Warning
	raised   map[instance]Condition
	changed  chan struct{}
}

// instance is a warning about one object.
type instance struct{ code, object string }

// NewHealth returns the health of a process that is starting: it is not ready until the signal that
// comes back is cleared. The clock is time.Now but in tests.
func NewHealth(now func() time.Time) (h *Health, starting *Signal) {
	h = &Health{now: now, warnings: map[string]Warning{}, raised: map[instance]Condition{}, changed: make(chan struct{})}
	starting = h.Register(Warning{Code: "starting", Severity: NotReady, Title: "The process has not finished starting."})
	starting.Raise("", "")
	return h, starting
}

// Signal raises and clears one warning.
type Signal struct {
	health *Health
	code   string
}

// Register declares a warning. A code that is declared twice is a mistake in the program and panics.
func (h *Health) Register(w Warning) *Signal {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, exists := h.warnings[w.Code]; exists || w.Code == "" {
		panic(fmt.Sprintf("telemetry: warning %q is declared twice or has no code", w.Code))
	}
	h.warnings[w.Code] = w
	return &Signal{health: h, code: w.Code}
}

// Raise shows the warning for an object, or for the process if the object is empty. Raising it again
// changes the detail and keeps the time since when it holds.
func (s *Signal) Raise(object, detail string) {
	s.health.change(func() {
		w := s.health.warnings[s.code]
		key := instance{s.code, object}
		c, exists := s.health.raised[key]
		if !exists {
			c = Condition{Code: w.Code, Severity: w.Severity, Title: w.Title, Object: object, Remedy: w.Remedy, Since: s.health.now()}
		}
		c.Detail = detail
		s.health.raised[key] = c
	})
}

// Clear withdraws the warning for an object. Clearing what is not raised does nothing.
func (s *Signal) Clear(object string) {
	s.health.change(func() { delete(s.health.raised, instance{s.code, object}) })
}

// change carries out a change and wakes those who wait for one.
func (h *Health) change(how func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	how()
	close(h.changed)
	h.changed = make(chan struct{})
}

// Ready tells whether the process can do its work.
func (h *Health) Ready() bool {
	ready, _ := h.readiness()
	return ready
}

// readiness also returns a channel that is closed at the next change.
func (h *Health) readiness() (bool, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.raised {
		if c.Severity == NotReady {
			return false, h.changed
		}
	}
	return true, h.changed
}

// WaitReady returns when the process can do its work, or with ctx's error.
func (h *Health) WaitReady(ctx context.Context) error {
	for {
		ready, changed := h.readiness()
		if ready {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Conditions lists what is raised and should be shown, worst first.
func (h *Health) Conditions() []Condition {
	h.mu.Lock()
	defer h.mu.Unlock()
	codes := map[string]bool{}
	for key := range h.raised {
		codes[key.code] = true
	}
	shown := []Condition{}
	for _, c := range h.raised {
		w := h.warnings[c.Code]
		isExplained := slices.ContainsFunc(w.Causes, func(cause string) bool { return codes[cause] })
		if !isExplained && h.now().Sub(c.Since) >= w.After {
			shown = append(shown, c)
		}
	}
	slices.SortFunc(shown, func(a, b Condition) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Object, b.Object))
	})
	return shown
}

// registered lists all warnings in the order of their codes.
func (h *Health) registered() []Warning {
	h.mu.Lock()
	defer h.mu.Unlock()
	byCode := func(a, b Warning) int { return cmp.Compare(a.Code, b.Code) }
	return slices.SortedFunc(maps.Values(h.warnings), byCode)
}
