package resource

import "time"

// Agent is the controller of a chassis as the API shows it. Only the description is stored; its ID follows
// from the chassis' name.
type Agent struct {
	Common
	// Host and what follows is not stored: the API fills it in from what the chassis says of itself.
	Host  string `json:"-"`
	Alive bool   `json:"-"`
	// Started is when the controller started, Seen when it was last known to live, and Registered when the
	// chassis was last registered otherwise than before; zero times are not known.
	Started, Seen, Registered time.Time      `json:"-"`
	Configurations            map[string]any `json:"-"`
	AvailabilityZones         []string       `json:"-"`
}

// Clone returns a copy.
func (a *Agent) Clone() Row { c := *a; return &c }

// How Neutron names an agent that programs Open vSwitch, by which clients and Nova know what it does.
const (
	AgentType   = "Open vSwitch agent"
	AgentBinary = "dragonflow-controller"
)

// agentTime is how Neutron shows the times of agents.
const agentTime = "2006-01-02 15:04:05"

// Agents is the type "agent".
func Agents() *Type {
	at := func(name string, get func(*Agent) time.Time) Attr {
		return shown(name, func(a *Agent) any {
			if get(a).IsZero() {
				return nil
			}
			return get(a).UTC().Format(agentTime)
		})
	}
	return &Type{
		Kind: "neutron.agent", Singular: "agent", Plural: "agents", Path: "agents",
		Attrs: []Attr{
			shown("id", func(a *Agent) any { return a.ID }),
			shown("agent_type", func(*Agent) any { return AgentType }),
			shown("binary", func(*Agent) any { return AgentBinary }),
			shown("topic", func(*Agent) any { return "N/A" }),
			shown("host", func(a *Agent) any { return a.Host }),
			attr("admin_state_up", OnPut, func(_ *Agent, v any) error {
				up, err := Bool(v)
				if err == nil && !up {
					return InvalidInput("an agent cannot be disabled: a controller serves the ports that are bound to it")
				}
				return err
			}, func(*Agent) any { return true }),
			shown("alive", func(a *Agent) any { return a.Alive }),
			shown("availability_zone", func(a *Agent) any { return textOrNil(ZonesOfAgent(a.AvailabilityZones)) }),
			unlisted(shown("configurations", func(a *Agent) any { return a.Configurations })),
			at("created_at", func(a *Agent) time.Time { return a.Registered }),
			at("started_at", func(a *Agent) time.Time { return a.Started }),
			at("heartbeat_timestamp", func(a *Agent) time.Time { return a.Seen }),
			field("description", OnPut, NullableText(255), func(a *Agent) *string { return &a.Description }),
		},
		New:          func() Row { return new(Agent) },
		notFoundType: "AgentNotFound", notFoundText: "Agent %s could not be found.",
	}
}
