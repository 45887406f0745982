// Package oftrace reads what Open vSwitch's ofproto/trace says of a packet: the flows that it meets, the ports at
// which it comes out, and where copies of it end. It knows nothing of what dragonflow trace says, so that the two
// can be compared.
package oftrace

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Trace is a packet's way, through the connection tracker and on.
type Trace struct {
	Visits []Visit
	// Ports are the OpenFlow ports at which copies come out.
	Ports []string
	// Controlled says that the controller gets a copy.
	Controlled bool
	// Tracked says that it went through the connection tracker, of whose state a trace knows nothing.
	Tracked bool
}

// Visit is a flow that the packet met.
type Visit struct {
	Table uint8
	// Flow is the flow's key: "TABLE. priority N MATCH".
	Flow   string
	Cookie uint64
	// Dropped says that a copy of the packet ended there.
	Dropped bool
	// Registers are what the packet carried when it ended, by lower-case name: reg6, metadata.
	Registers map[string]uint64

	forwards bool
}

// Dropped reports whether no copy of the packet goes anywhere.
func (t *Trace) Dropped() bool { return len(t.Ports) == 0 && !t.Controlled }

// Met lists the flows that the packet met.
func (t *Trace) Met() []string {
	var list []string
	for _, v := range t.Visits {
		list = append(list, v.Flow)
	}
	return list
}

// Drops lists where copies ended.
func (t *Trace) Drops() []Visit {
	return slices.DeleteFunc(slices.Clone(t.Visits), func(v Visit) bool { return !v.Dropped })
}

// Parse reads the text of ofproto/trace for a packet that came in at a port.
func Parse(text string, inPort uint32) (*Trace, error) {
	r := &reader{inPort: fmt.Sprint(inPort), registers: map[string]uint64{}, trace: &Trace{}, below: -1}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if r.elsewhere(line) {
			continue
		}
		next := ""
		if i+1 < len(lines) {
			next = lines[i+1]
		}
		r.line(line, next)
	}
	r.leave()
	if len(r.trace.Visits) == 0 {
		return nil, fmt.Errorf("cannot read a trace:\n%s", text)
	}
	return r.trace, nil
}

// reader goes through the lines.
type reader struct {
	inPort    string
	registers map[string]uint64
	trace     *Trace
	// open says that the last visit's actions are still being told, which are indented further than indent.
	open   bool
	indent int
	// bridge is the one that the trace began at, and below how far what is told of another is indented.
	bridge string
	below  int
}

var (
	visitLine  = regexp.MustCompile(`^ *(\d+)\. (?:(\S*), )?priority (\d+)(?:, cookie (0x[0-9a-f]+))?`)
	bridgeLine = regexp.MustCompile(`^bridge\("([^"]*)"\)`)
	outputLine = regexp.MustCompile(`^output:(\d+)$`)
	loadLine   = regexp.MustCompile(`^(?:load|set_field):(0x[0-9a-f]+|\d+)->(?:NXM_NX_|OXM_OF_)?(\w+)(?:\[\])?$`)
	registerOf = regexp.MustCompile(`\b(reg\d+|metadata)=(0x[0-9a-f]+|\d+)`)
	// loggedLine sends a copy to be logged, which is none of the packet's ends: the number is that of pipeline.LoggingApp.
	loggedLine  = regexp.MustCompile(`^controller\(.*\buserdata=06\.`)
	forwardLine = regexp.MustCompile(`^(goto_table|resubmit|output|IN_PORT|in_port|CONTROLLER|controller|userspace|group|clone|ct\(.*\btable=)`)
)

func (r *reader) line(line, next string) {
	word := strings.TrimSpace(line)
	switch m := visitLine.FindStringSubmatch(line); {
	case m != nil:
		r.leave()
		r.visit(m)
	case strings.HasPrefix(line, "Flow: "):
		r.leave()
		clear(r.registers)
		for _, m := range registerOf.FindAllStringSubmatch(line, -1) {
			r.registers[m[1]] = number(m[2])
		}
	case strings.HasPrefix(line, "Final flow: "):
		r.leave()
	default:
		if len(line)-len(strings.TrimLeft(line, " ")) <= r.indent {
			r.leave() // what follows is of the flow that sent the packet there
		}
		r.action(word, strings.Contains(next, "skipping output to input port"))
	}
}

// elsewhere reports whether a line is about another bridge, to which tunnels lead.
func (r *reader) elsewhere(line string) bool {
	word := strings.TrimLeft(line, " ")
	indent := len(line) - len(word)
	if m := bridgeLine.FindStringSubmatch(word); m != nil {
		if r.bridge == "" || r.bridge == m[1] {
			r.bridge, r.below = m[1], -1
			return true
		}
		r.below = indent
	}
	if r.below >= 0 && word != "" && indent <= r.below && !strings.HasPrefix(word, "bridge(") && !strings.HasPrefix(word, "---") {
		r.below = -1
	}
	return r.below >= 0
}

func (r *reader) visit(m []string) {
	const digits = 2 // numbers of tables are as wide
	r.indent = strings.Index(m[0], m[1]) + len(m[1]) - digits
	table, err := strconv.ParseUint(m[1], 10, 8)
	if err != nil {
		return
	}
	v := Visit{Table: uint8(table), Flow: fmt.Sprintf("%s. priority %s %s", m[1], m[3], m[2]), Cookie: number(m[4])}
	r.trace.Visits = append(r.trace.Visits, v)
	r.open = true
}

// action reads what a flow does. suppressed says that it has no effect.
func (r *reader) action(word string, suppressed bool) {
	if m := loadLine.FindStringSubmatch(word); m != nil {
		r.registers[strings.ToLower(m[2])] = number(m[1])
	}
	if loggedLine.MatchString(word) {
		return
	}
	last := len(r.trace.Visits) - 1
	if last < 0 || !suppressed && !forwardLine.MatchString(word) {
		return
	}
	if suppressed {
		r.trace.Visits[last].Dropped = true
		r.trace.Visits[last].Registers = r.carried()
		return
	}
	r.trace.Tracked = r.trace.Tracked || strings.HasPrefix(word, "ct(")
	if r.open {
		r.trace.Visits[last].forwards = true
	}
	lower := strings.ToLower(word)
	switch m := outputLine.FindStringSubmatch(word); {
	case m != nil && m[1] == inPortNumber, lower == "in_port":
		r.trace.Ports = append(r.trace.Ports, r.inPort)
	case m != nil:
		r.trace.Ports = append(r.trace.Ports, m[1])
	case strings.HasPrefix(lower, "controller"), strings.HasPrefix(lower, "userspace"):
		r.trace.Controlled = true
	}
}

// inPortNumber is OpenFlow's number of the port where a packet came in, OFPP_IN_PORT.
const inPortNumber = "4294967288"

// leave ends the telling of a flow's own actions: one that sent the packet nowhere dropped it.
func (r *reader) leave() {
	if !r.open {
		return
	}
	r.open = false
	v := &r.trace.Visits[len(r.trace.Visits)-1]
	if !v.forwards {
		v.Dropped, v.Registers = true, r.carried()
	}
}

func (r *reader) carried() map[string]uint64 { return maps.Clone(r.registers) }

// number reads a number of a trace, zero if there is none.
func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return 0
	}
	return n
}
