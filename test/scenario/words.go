package scenario

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// SyntaxError is what is wrong with a scenario. Word counts from 1; it is behind the last one if something is missing.
type SyntaxError struct {
	File       string
	Line, Word int
	// Text is the word, empty if it is missing.
	Text    string
	Problem string
}

// Error names line and word.
func (e *SyntaxError) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("%s:%d: word %d is missing: %s", e.File, e.Line, e.Word, e.Problem)
	}
	return fmt.Sprintf("%s:%d: word %d, %q: %s", e.File, e.Line, e.Word, e.Text, e.Problem)
}

// words is one statement on its way through the parser. The first problem counts; after it, everything reads as
// its zero value.
type words struct {
	file  string
	line  int
	list  []string
	next  int
	names *names
	err   *SyntaxError
}

// names are what the statements before declared, by kind.
type names struct {
	of      map[string][]string
	tunnels string
	// physical is what the chassis that follow call the provider's network.
	physical string
	project  string
	mobile   map[string]bool
}

// The kinds of names.
const (
	aChassis    = "chassis"
	aNetwork    = "network"
	aRouter     = "router"
	aGroup      = "group"
	aScope      = "scope"
	aGuest      = "guest"
	aDevice     = "device"
	aConnection = "connection"
	aTraffic    = "traffic"
	aMemory     = "memory"
	aLog        = "log"
	aPolicy     = "policy"
)

// fail notes a problem with the word read last.
func (w *words) fail(format string, args ...any) {
	if w.err != nil {
		return
	}
	e := &SyntaxError{File: w.file, Line: w.line, Word: w.next, Problem: fmt.Sprintf(format, args...)}
	if w.next > 0 && w.next <= len(w.list) {
		e.Text = w.list[w.next-1]
	}
	w.err = e
}

func (w *words) more() bool { return w.err == nil && w.next < len(w.list) }

// peek is the next word, or "".
func (w *words) peek() string {
	if !w.more() {
		return ""
	}
	return w.list[w.next]
}

// word reads the next word; what says what it stands for.
func (w *words) word(what string) string {
	if w.err != nil {
		return ""
	}
	w.next++
	if w.next > len(w.list) {
		w.fail("expected %s", what)
		return ""
	}
	return w.list[w.next-1]
}

// accept reads the next word if it is this one.
func (w *words) accept(word string) bool {
	if w.peek() != word || word == "" {
		return false
	}
	w.next++
	return true
}

// expect reads a fixed word.
func (w *words) expect(word string) {
	if got := w.word(strconv.Quote(word)); w.err == nil && got != word {
		w.fail("expected %q", word)
	}
}

// end fails if there are words left.
func (w *words) end() {
	if w.more() {
		w.next++
		w.fail("the statement has ended")
	}
}

// oneOf reads a word of a list.
func (w *words) oneOf(list ...string) string {
	got := w.word(strings.Join(list, " or "))
	if w.err == nil && !slices.Contains(list, got) {
		w.fail("expected %s", strings.Join(list, " or "))
	}
	return got
}

// declare reads a new name.
func (w *words) declare(kind string) string {
	name := w.word("a name for the " + kind)
	switch {
	case w.err != nil:
		return ""
	case slices.Contains(w.names.of[kind], name):
		w.fail("there is such a %s already", kind)
	case strings.ContainsAny(name, ":/.,="):
		w.fail("a name has no punctuation")
	}
	w.names.of[kind] = append(w.names.of[kind], name)
	return name
}

// name reads a name that was declared.
func (w *words) name(kind string) string {
	name := w.word("the name of a " + kind)
	if w.err == nil && !w.known(kind, name) {
		w.fail("no %s has this name; known: %s", kind, strings.Join(w.names.of[kind], " "))
	}
	return name
}

func (w *words) known(kind, name string) bool { return slices.Contains(w.names.of[kind], name) }

// namesOf reads names up to the end or to a word that is none.
func (w *words) namesOf(kind string) (list []string) {
	for w.more() && w.known(kind, w.peek()) {
		list = append(list, w.word(kind))
	}
	return list
}

func (w *words) number(what string, low, high int) int {
	text := w.word(what)
	if w.err != nil {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		w.fail("%s is a number from %d to %d", what, low, high)
	}
	return n
}

func (w *words) prefix() netip.Prefix {
	text := w.word("a prefix")
	p, err := netip.ParsePrefix(text)
	if w.err == nil && err != nil {
		w.fail("a prefix is an address and its length, such as 10.0.0.0/24")
	}
	return p
}

func (w *words) address() netip.Addr {
	text := w.word("an address")
	a, err := netip.ParseAddr(text)
	if w.err == nil && err != nil {
		w.fail("this is no address")
	}
	return a
}

// addresses reads a list with commas.
func (w *words) addresses() (list []netip.Addr) {
	for text := range strings.SplitSeq(w.word("addresses"), ",") {
		a, err := netip.ParseAddr(text)
		if w.err == nil && err != nil {
			w.fail("addresses are separated by commas")
		}
		list = append(list, a)
	}
	return list
}

// target is a machine, or an address, and maybe a port.
type target struct {
	guest   string
	address netip.Addr
	port    int
}

func (t target) String() string {
	name := t.guest
	if name == "" {
		name = t.address.String()
	}
	if t.port > 0 {
		return fmt.Sprintf("%s port %d", name, t.port)
	}
	return name
}

// target reads the name of a machine or an address.
func (w *words) target() target {
	text := w.word("a guest or an address")
	if w.err != nil || w.known(aGuest, text) {
		return target{guest: text}
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		w.fail("neither a guest nor an address; guests: %s", strings.Join(w.names.of[aGuest], " "))
	}
	return target{address: a}
}

// service reads a target with a port: b:80, 10.0.0.1:80, [2001:db8::1]:80.
func (w *words) service() target {
	text := w.word("a guest or an address, with a port")
	if w.err != nil {
		return target{}
	}
	i := strings.LastIndex(text, ":")
	if i < 0 {
		w.fail("a port is missing, such as %s:80", text)
		return target{}
	}
	port, err := strconv.ParseUint(text[i+1:], 10, 16)
	if err != nil || port == 0 {
		w.fail("%q is no port", text[i+1:])
	}
	t := target{port: int(port)}
	if host := strings.Trim(text[:i], "[]"); w.known(aGuest, host) {
		t.guest = host
	} else if t.address, err = netip.ParseAddr(host); err != nil {
		w.fail("%q is neither a guest nor an address", host)
	}
	return t
}
