//go:build neutron

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// customer is one of several clients: it makes, changes and deletes objects of its own, one request at a time, and
// remembers what was acknowledged. For one goroutine.
type customer struct {
	*book
	site    *site
	number  int
	random  *rand.Rand
	outside string
	made    int
	// plugged are the interfaces in the chassis' switches, by port.
	plugged map[string]string
}

// trade does something random until ctx ends. What was begun is done to its end.
func (c *customer) trade(ctx context.Context) error {
	for ctx.Err() == nil {
		before := c.counts[unknown]
		if err := c.step(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		if c.counts[unknown] > before {
			rest(ctx, c.random, 2*time.Second) // as a client that nobody answers does
		}
	}
	return nil
}

func (c *customer) step(ctx context.Context) error {
	switch c.random.IntN(16) {
	case 0:
		c.churn(ctx, "network", 4, c.network, c.changeNetwork)
	case 1, 2:
		c.churn(ctx, "subnet", 6, c.subnet, c.changeSubnet)
	case 3, 4, 5:
		c.churn(ctx, "port", 14, c.port, c.changePort)
	case 6:
		c.ports(ctx)
	case 7, 8:
		return c.plug(ctx)
	case 9:
		c.churn(ctx, "security_group", 4, c.group, c.rename)
	case 10:
		c.churn(ctx, "security_group_rule", 12, c.rule, nil)
	case 11:
		c.churn(ctx, "address_group", 3, c.addresses, c.changeAddresses)
	case 12:
		c.churn(ctx, "router", 3, c.router, c.changeRouter)
	case 13:
		c.interfaces(ctx)
	case 14:
		c.churn(ctx, "floatingip", 4, c.floating, c.changeFloating)
	case 15:
		c.churn(ctx, "port_forwarding", 4, c.forwarding, c.changeForwarding)
	}
	return nil
}

// churn makes an object of a kind, or changes or deletes one.
func (c *customer) churn(ctx context.Context, kind string, most int, create func(context.Context), change func(context.Context, *record)) {
	have := c.of(kind)
	switch n := c.random.IntN(10); {
	case len(have) == 0 || n < 5 && len(have) < most:
		create(ctx)
	case n < 8 && change != nil:
		change(ctx, c.pick(have))
	default:
		c.remove(ctx, c.pick(have))
	}
}

func (c *customer) pick(list []*record) *record {
	if len(list) == 0 {
		return nil
	}
	return list[c.random.IntN(len(list))]
}

// any picks an object of a kind; nil if there is none.
func (c *customer) any(kind string) *record { return c.pick(c.of(kind)) }

func (c *customer) chance(percent int) bool { return c.random.IntN(100) < percent }

// serial is a number that this client has not used.
func (c *customer) serial() int {
	c.made++
	return c.made
}

func (c *customer) name() string { return fmt.Sprintf("c%d-%d", c.number, c.serial()) }

// create makes an object, and notes what was acknowledged of what was asked for.
func (c *customer) create(ctx context.Context, kind string, parent *record, fields cloud.Object) {
	r := &record{kind: kind, parent: parent, want: cloud.Object{}}
	answer := map[string]cloud.Object{}
	path := (&record{kind: kind, parent: parent}).path()
	if parent == nil {
		path = cloud.Path(kind, "")
	}
	if c.outcome(c.site.API.Do(ctx, http.MethodPost, path, map[string]cloud.Object{kind: fields}, &answer)) == acknowledged {
		c.note(r, answer[kind], fields)
	}
}

// note adds an object that was made.
func (c *customer) note(r *record, answer, fields cloud.Object) {
	r.id = answer.ID()
	for field := range fields {
		r.want[field] = answer[field]
	}
	if r.kind == "port_forwarding" {
		r.want["floatingip_id"] = r.parent.id
	}
	c.records = append(c.records, r)
}

// update changes fields of an object, and tells what became of that.
func (c *customer) update(ctx context.Context, r *record, fields cloud.Object) string {
	answer := map[string]cloud.Object{}
	what := c.outcome(c.site.API.Do(ctx, http.MethodPut, r.path(), map[string]cloud.Object{r.kind: fields}, &answer))
	for field := range fields {
		switch what {
		case acknowledged:
			r.want[field] = answer[r.kind][field]
		case unknown:
			delete(r.want, field)
		}
	}
	return what
}

// remove deletes an object.
func (c *customer) remove(ctx context.Context, r *record) {
	switch c.outcome(c.site.API.Do(ctx, http.MethodDelete, r.path(), nil, nil)) {
	case acknowledged:
		r.state = gone
	case unknown:
		r.state = unsure
	case refused:
		// Something holds it, maybe something of which no answer came: not forever.
		if c.chance(70) {
			return
		}
		r.state = unsure
	}
	c.carried(r)
}

// rename is a change that any object can have.
func (c *customer) rename(ctx context.Context, r *record) {
	c.update(ctx, r, cloud.Object{"name": c.name()})
}

func (c *customer) network(ctx context.Context) {
	c.create(ctx, "network", nil, cloud.Object{"name": c.name()})
}

func (c *customer) changeNetwork(ctx context.Context, r *record) {
	fields := []cloud.Object{{"name": c.name()}, {"mtu": 1300 + c.random.IntN(100)}, {"admin_state_up": c.chance(70)}}
	c.update(ctx, r, fields[c.random.IntN(len(fields))])
}

func (c *customer) subnet(ctx context.Context) {
	network := c.any("network")
	if network == nil {
		c.network(ctx)
		return
	}
	n := c.serial() % 250
	fields := cloud.Object{"network_id": network.id, "name": c.name(), "ip_version": 4, "cidr": fmt.Sprintf("10.%d.%d.0/24", c.number, n)}
	if c.chance(25) {
		fields["ip_version"], fields["cidr"] = 6, fmt.Sprintf("fd00:%x:%x::/64", c.number, n)
		fields["ipv6_ra_mode"], fields["ipv6_address_mode"] = "slaac", "slaac"
	}
	c.create(ctx, "subnet", nil, fields)
}

func (c *customer) changeSubnet(ctx context.Context, r *record) {
	fields := []cloud.Object{{"name": c.name()}, {"enable_dhcp": c.chance(50)}}
	if version, _ := r.want["ip_version"].(float64); version == 4 {
		fields = append(fields, cloud.Object{"dns_nameservers": []string{fmt.Sprintf("192.0.2.%d", c.random.IntN(200))}},
			cloud.Object{"host_routes": []cloud.Object{{"destination": fmt.Sprintf("198.18.%d.0/24", c.random.IntN(200)), "nexthop": "192.0.2.1"}}})
	} else {
		fields = fields[:1]
	}
	c.update(ctx, r, fields[c.random.IntN(len(fields))])
}

func (c *customer) group(ctx context.Context) {
	c.create(ctx, "security_group", nil, cloud.Object{"name": c.name(), "stateful": c.chance(80)})
}

func (c *customer) rule(ctx context.Context) {
	group := c.any("security_group")
	if group == nil {
		c.group(ctx)
		return
	}
	n := c.serial()
	fields := cloud.Object{"security_group_id": group.id, "direction": "ingress", "protocol": "tcp", "port_range_min": n, "port_range_max": n + c.random.IntN(9)}
	other, addresses := c.any("security_group"), c.any("address_group")
	switch c.random.IntN(4) {
	case 0:
		fields["remote_group_id"] = other.id
	case 1:
		fields["remote_ip_prefix"] = fmt.Sprintf("10.%d.0.0/16", c.number)
	case 2:
		if addresses != nil {
			fields["remote_address_group_id"] = addresses.id
		}
	}
	c.create(ctx, "security_group_rule", nil, fields)
}

func (c *customer) addresses(ctx context.Context) {
	c.create(ctx, "address_group", nil, cloud.Object{"name": c.name(), "addresses": []string{fmt.Sprintf("198.18.%d.%d/32", c.number, c.random.IntN(250))}})
}

func (c *customer) changeAddresses(ctx context.Context, r *record) {
	how := []string{"add_addresses", "remove_addresses"}[c.random.IntN(2)]
	one := fmt.Sprintf("198.18.%d.%d/32", c.number, c.random.IntN(250))
	if list, _ := r.want["addresses"].([]any); how == "remove_addresses" && len(list) > 0 {
		one = list[c.random.IntN(len(list))].(string)
	}
	var answer struct {
		Group cloud.Object `json:"address_group"`
	}
	err := c.site.API.Do(ctx, http.MethodPut, r.path()+"/"+how, cloud.Object{"addresses": []string{one}}, &answer)
	switch c.outcome(err) {
	case acknowledged:
		r.want["addresses"] = answer.Group["addresses"]
	case unknown:
		delete(r.want, "addresses")
	}
}
