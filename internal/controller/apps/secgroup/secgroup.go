// Package secgroup is the app that lets through what the rules of a port's security groups allow, and
// what belongs to a connection that they allowed.
//
// A port's set of groups is its profile. The rules of a profile are flows that do not name the port; the
// remote groups that they name are the profile's universe, in which each address has a bit for each
// group that it is a member of. So flows grow with ports + addresses of each universe + rules of each
// profile, never with a product of these. README.md tells the rest.
package secgroup

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unique"

	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/pipeline"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
)

// New returns the app.
func New() *app.App {
	return &app.App{
		Name: "secgroup", ID: pipeline.LoggingApp, PacketIn: packetIn,
		Rules: []app.Rule{
			app.For("secgroup.always", view.Self, always),
			app.For("secgroup.metadata", view.MetadataPorts, metadata),
			app.For("secgroup.link", view.Subnets, onLink),
			app.For("secgroup.groups", view.LocalPorts, groupsOf),
			app.For("secgroup.remotes", view.Rules, remoteOf),
			app.For("secgroup.port", view.LocalPorts, port),
			app.For("secgroup.log", view.LocalPorts, logged),
			app.For("secgroup.renewal", view.DHCPServers, renewal),
			app.For("secgroup.profile", profiles, rules),
			app.For("secgroup.member", view.Members, member),
			app.ForPrefixes("secgroup.address", membersByPrefix, remoteAddress),
		},
	}
}

// profile is a set of security groups that a local port has: their ids in order, joined by commas.
type profile struct{ groups string }

func newProfile(groups []string) profile {
	return profile{strings.Join(slices.Compact(slices.Sorted(slices.Values(groups))), ",")}
}

// ids returns the groups.
func (p profile) ids() []string {
	if p.groups == "" {
		return nil
	}
	return strings.Split(p.groups, ",")
}

func (p profile) key() string {
	if p.groups == "" {
		return "no groups"
	}
	return p.groups
}

// named says that the rules of a direction name a remote group, and which bit stands for it. One row
// stands for all profiles whose rules name the same set of groups.
type named struct {
	direction model.Direction
	universe  uint32
	group     string
	bit       int
	// words is how many registers the bits of the universe fill.
	words int
}

// remote says that a member of a remote group has a place in a universe. There are very many of them.
type remote struct {
	group  unique.Handle[named]
	member *model.SecurityGroupMember
}

var (
	profiles     = view.NewDerived("Profile", profile.key)
	names        = view.NewDerived("RemoteGroup", named.key)
	namesByGroup = view.NewIndex(names, "group", func(n named) []string { return []string{n.group} }, nil)
	remotes      = view.NewDerived("RemoteMember", remote.key)

	membersByPrefix = view.NewPrefixIndex(remotes, "RemoteAddress",
		func(m remote) (string, []netip.Prefix) { return m.group.Value().universeKey(), m.member.Addresses })
)

// universeKey tells universes apart; the two directions have their own.
func (n named) universeKey() string {
	return fmt.Sprintf("%s/%d", n.direction, n.universe)
}

func (n named) key() string { return n.universeKey() + "/" + n.group }

// key is short: a bit of a universe is a group.
func (m remote) key() string {
	n := m.group.Value()
	return n.universeKey() + "/" + strconv.Itoa(n.bit) + "/" + m.member.ID
}
