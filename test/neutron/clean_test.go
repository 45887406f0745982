//go:build neutron

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/dragonflow/dragonflow/internal/lab/cloud"
)

// clean removes everything that a scenario has made, by Neutron's API.
func clean(ctx context.Context, api *cloud.Client) error {
	if err := remove(ctx, api, "floatingip"); err != nil {
		return err
	}
	if err := strip(ctx, api); err != nil {
		return err
	}
	kinds := []string{"router", "port", "network", "subnetpool", "address_scope", "security_group", "address_group", "agent"}
	for _, kind := range kinds {
		if err := remove(ctx, api, kind); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes all objects of a kind.
func remove(ctx context.Context, api *cloud.Client, kind string) error {
	all, err := list(ctx, api, kind, "?fields=id")
	if err != nil {
		return err
	}
	for _, one := range all {
		err := api.Delete(ctx, kind, one.ID())
		var status *cloud.StatusError
		if errors.As(err, &status) && status.Status == http.StatusNotFound {
			continue // it went with another
		}
		if err != nil {
			return fmt.Errorf("delete %s: %w", kind, err)
		}
	}
	return nil
}

// strip takes from routers what keeps them from being deleted.
func strip(ctx context.Context, api *cloud.Client) error {
	routers, err := list(ctx, api, "router", "")
	if err != nil {
		return err
	}
	for _, router := range routers {
		fields := cloud.Object{"routes": []any{}, "external_gateway_info": nil}
		if _, err := api.Update(ctx, "router", router.ID(), fields); err != nil {
			return err
		}
		ports, err := list(ctx, api, "port", "?device_id="+router.ID())
		if err != nil {
			return err
		}
		for _, port := range ports {
			if !strings.HasPrefix(port.Text("device_owner"), "network:router_interface") {
				continue
			}
			path := cloud.Path("router", router.ID()) + "/remove_router_interface"
			if err := api.Do(ctx, http.MethodPut, path, cloud.Object{"port_id": port.ID()}, nil); err != nil {
				return err
			}
		}
	}
	return nil
}
