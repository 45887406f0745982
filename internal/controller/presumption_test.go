package controller

import (
	"testing"
	"time"
)

// TestWhoIsNotHeardYetIsPresumedToLive: a new session takes a while to come up, and nobody takes over meanwhile. Whoever
// was heard is taken at his word.
func TestWhoIsNotHeardYetIsPresumedToLive(t *testing.T) {
	var w watches
	if w.lives("never", false) {
		t.Error("of whom nothing is presumed counts what is heard")
	}
	expect := func(what string, heard, want bool) {
		t.Helper()
		if got := w.lives("g1", heard); got != want {
			t.Errorf("%s: lives is %v", what, got)
		}
	}
	w.presume("g1", time.Hour, false)
	expect("a session begins", false, true)
	expect("it is up", true, true)
	expect("it is down", false, false)

	w.presume("g1", time.Hour, true)
	expect("the switch starts again, and the row is an old one", true, true)
	expect("the new session begins", false, true)
	expect("it is up", true, true)
	expect("it is down", false, false)

	w.presume("g1", -time.Second, false)
	expect("it never came up", false, false)
}
