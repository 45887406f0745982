package pipeline

import "github.com/dragonflow/dragonflow/internal/controller/flow"

// named is what a register is called in dumps for people.
func named(part flow.SubField) string {
	switch part {
	case Network:
		return "network"
	case SourcePort:
		return "source_port"
	case DestPort:
		return "dest_port"
	case Profile:
		return "profile"
	case Universe:
		return "universe"
	case Zone:
		return "zone"
	case NextMark:
		return "next_mark"
	case FloodSet: // and RouteSet
		return "set"
	case Router: // and RemoteChassis
		return "via"
	case CameBy:
		return "came_by"
	case Stamp:
		return "stamp"
	case Blocked:
		return "blocked"
	}
	return ""
}

// Text writes flows with the names of stages and registers.
func Text() flow.Formatter { return flow.Formatter{Table: StageName, Field: named} }
