// Package apps lists the network services of a chassis.
package apps

import (
	"github.com/dragonflow/dragonflow/internal/controller/app"
	"github.com/dragonflow/dragonflow/internal/controller/apps/activeport"
	"github.com/dragonflow/dragonflow/internal/controller/apps/classifier"
	"github.com/dragonflow/dragonflow/internal/controller/apps/dhcp"
	"github.com/dragonflow/dragonflow/internal/controller/apps/dnat"
	"github.com/dragonflow/dragonflow/internal/controller/apps/gateway"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l2"
	"github.com/dragonflow/dragonflow/internal/controller/apps/l3"
	"github.com/dragonflow/dragonflow/internal/controller/apps/metadata"
	"github.com/dragonflow/dragonflow/internal/controller/apps/migration"
	"github.com/dragonflow/dragonflow/internal/controller/apps/misses"
	"github.com/dragonflow/dragonflow/internal/controller/apps/neighbour"
	"github.com/dragonflow/dragonflow/internal/controller/apps/portsecurity"
	"github.com/dragonflow/dragonflow/internal/controller/apps/provider"
	"github.com/dragonflow/dragonflow/internal/controller/apps/qos"
	"github.com/dragonflow/dragonflow/internal/controller/apps/secgroup"
	"github.com/dragonflow/dragonflow/internal/controller/apps/snat"
	"github.com/dragonflow/dragonflow/internal/controller/apps/tunnel"
)

// All returns the apps in the order in which their rules are evaluated: an app may read what those
// before it derive. The order has no meaning for packets; the pipeline has its own.
func All() []*app.App {
	return []*app.App{
		misses.New(),
		classifier.New(),
		migration.New(),
		portsecurity.New(),
		provider.New(),
		activeport.New(),
		gateway.New(),
		tunnel.New(),
		l2.New(),
		l3.New(),
		dnat.New(),
		snat.New(),
		dhcp.New(),
		metadata.New(),
		secgroup.New(),
		qos.New(),
		neighbour.New(),
	}
}
