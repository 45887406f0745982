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

// TestWhoHearsNobodyDoubtsItself: of several that fall silent at once those that forwarded are presumed to live; of one
// of several, of the last one, and of those that said that they forward nothing, silence is taken as it is.
func TestWhoHearsNobodyDoubtsItself(t *testing.T) {
	for name, c := range map[string]struct {
		heard []map[string]bool
		want  bool // whether g1 lives
	}{
		"all at once":                      {[]map[string]bool{{"g1": true, "c1": true}, {}}, true},
		"one of two":                       {[]map[string]bool{{"g1": true, "c1": true}, {"c1": true}}, false},
		"one after the other":              {[]map[string]bool{{"g1": true, "c1": true}, {"g1": true}, {}}, false},
		"the only one":                     {[]map[string]bool{{"g1": true}, {}}, false},
		"it forwarded nothing":             {[]map[string]bool{{"g1": false, "c1": true}, {}}, false},
		"nobody was there":                 {[]map[string]bool{{}, {}}, false},
		"all at once, and it came back":    {[]map[string]bool{{"g1": true, "c1": true}, {}, {"g1": true}}, true},
		"back, and only then silent alone": {[]map[string]bool{{"g1": true, "c1": true}, {}, {"g1": true, "c1": true}, {"c1": true}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var w watches
			var got bool
			for _, h := range c.heard {
				w.hear(h)
				got = w.lives("g1", h["g1"])
			}
			if got != c.want {
				t.Errorf("lives is %v", got)
			}
		})
	}
	var w watches
	w.hear(map[string]bool{"g1": true, "c1": true})
	w.hear(map[string]bool{})
	w.presumed["g1"].until = time.Now().Add(-time.Second)
	w.hear(map[string]bool{})
	if w.lives("g1", false) {
		t.Error("it is presumed for ever")
	}
}
