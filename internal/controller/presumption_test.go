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

// TestWhoHearsNobodyDoubtsItself: who falls silent lives until the second thought. Then of several that are all silent
// those that forwarded are presumed to live on; of one of several, of the only one, and of those that said that they
// forward nothing, silence is taken as it is.
func TestWhoHearsNobodyDoubtsItself(t *testing.T) {
	both, first, second, none := map[string]bool{"g1": true, "c1": true}, map[string]bool{"g1": true}, map[string]bool{"c1": true}, map[string]bool{}
	for name, c := range map[string]struct {
		heard    []map[string]bool // at intervals of 100 ms
		now      bool              // whether g1 lives then
		afterall bool              // and at the second thought
	}{
		"all at once":                     {[]map[string]bool{both, none}, true, true},
		"all for one reason":              {[]map[string]bool{both, second, none}, true, true},
		"one of two":                      {[]map[string]bool{both, second}, true, false},
		"one, long after the other":       {[]map[string]bool{both, first, first, first, first, none}, true, false},
		"the other one, much later":       {[]map[string]bool{both, second, second, second, second, none}, false, false},
		"the only one":                    {[]map[string]bool{first, none}, true, false},
		"it forwarded nothing":            {[]map[string]bool{{"g1": false, "c1": true}, none}, false, false},
		"nobody was there":                {[]map[string]bool{none, none}, false, false},
		"all at once, and it is back":     {[]map[string]bool{both, none, first}, true, true},
		"all came back, and then it went": {[]map[string]bool{both, none, both, both, both, second}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var w watches
			at := time.Now()
			hear := func(heard map[string]bool) bool {
				at = at.Add(100 * time.Millisecond)
				w.hear(heard, at)
				return w.lives("g1", heard["g1"])
			}
			var got bool
			for _, h := range c.heard {
				got = hear(h)
			}
			if got != c.now {
				t.Errorf("before the second thought lives is %v", got)
			}
			last := c.heard[len(c.heard)-1]
			for range 3 {
				got = hear(last)
			}
			if got != c.afterall {
				t.Errorf("after the second thought lives is %v", got)
			}
			if w.silent != nil || w.wake != nil {
				t.Error("there is something left to think about")
			}
		})
	}
}
