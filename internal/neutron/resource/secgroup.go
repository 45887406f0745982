package resource

import (
	"strings"
)

// SecurityGroup is the stored form of a security group. Its rules are rows of their own.
type SecurityGroup struct {
	Common
	Stateful bool `json:"stateful"`
	// Default marks the group that a project has without asking.
	Default bool `json:"default,omitzero"`

	// Rules is not stored: the API fills it in before it shows a group.
	Rules []*SecurityGroupRule `json:"-"`
}

// Clone returns a copy.
func (g *SecurityGroup) Clone() Row { c := *g; return &c }

// DefaultGroupName is the name of a project's default security group.
const DefaultGroupName = "default"

// SecurityGroups is the type "security group". The rules of a group are shown by the type of rules.
func SecurityGroups(rules *Type) *Type {
	first, last := standard(nameAttr(groupName))
	own := []Attr{
		field("stateful", Writable, Bool, func(g *SecurityGroup) *bool { return &g.Stateful }),
		unlisted(shown("security_group_rules", func(g *SecurityGroup) any {
			out := make([]Object, 0, len(g.Rules))
			for _, r := range g.Rules {
				out = append(out, rules.Show(r, nil))
			}
			return out
		})),
		shown("shared", func(*SecurityGroup) any { return false }),
		tagsAttr(),
	}
	return &Type{
		Kind: "neutron.security-group", Singular: "security_group", Plural: "security_groups", Path: "security-groups",
		Attrs: join(first, own, last),
		New:   func() Row { return &SecurityGroup{Stateful: true} },

		notFoundType: "SecurityGroupNotFound", notFoundText: "Security group %s does not exist",
	}
}

func groupName(v any) (string, error) {
	s, err := Text(255)(v)
	if err == nil && strings.EqualFold(s, DefaultGroupName) {
		return "", Conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	return s, err
}
