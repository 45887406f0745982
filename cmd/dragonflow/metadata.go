package main

import (
	"net/netip"

	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/metadata"
)

// addMetadata makes the daemon take guests' requests for metadata to Nova, if it is told where that is. It returns
// whom the controller tells who asks; nil is nobody.
func (d *daemon) addMetadata() (func(netip.Prefix, *view.MetadataClient), error) {
	m := d.settings.Metadata
	if m.NovaURL == "" {
		return nil, nil
	}
	clients := metadata.NewDirectory()
	service, err := metadata.New(metadata.Options{
		Device:  controller.MetadataDevice(d.settings.Chassis.Bridge),
		Nova:    metadata.Nova{URL: m.NovaURL, SecretFile: m.SecretFile, CA: m.CA, Cert: m.Cert, Key: m.Key},
		Clients: clients, Health: d.health, Metrics: metadata.NewMetrics(d.metrics), Log: d.log,
	})
	if err != nil {
		return nil, err
	}
	d.add(service.Run)
	return func(source netip.Prefix, c *view.MetadataClient) {
		if c == nil {
			clients.Delete(source)
			return
		}
		clients.Set(source, metadata.Client{Port: c.PortID, Device: c.DeviceID, Project: c.ProjectID, Address: c.Address})
	}, nil
}
