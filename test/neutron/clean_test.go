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
	if err := withdraw(ctx, api); err != nil {
		return err
	}
	if err := strip(ctx, api); err != nil {
		return err
	}
	kinds := []string{"router", "trunk", "port", "network", "subnetpool", "address_scope", "security_group", "address_group"}
	for _, kind := range kinds {
		// Ports that Neutron makes for chassis go a moment after the routers for which they are.
		if err := soon(ctx, func(ctx context.Context) error { return remove(ctx, api, kind) }); err != nil {
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

// withdraw removes floating IPs and what is forwarded from them.
func withdraw(ctx context.Context, api *cloud.Client) error {
	all, err := list(ctx, api, "floatingip", "?fields=id")
	if err != nil {
		return err
	}
	for _, one := range all {
		path := cloud.Path("floatingip", one.ID()) + "/port_forwardings"
		var found struct {
			Forwardings []cloud.Object `json:"port_forwardings"`
		}
		if err := api.Get(ctx, path, &found); err != nil {
			return err
		}
		for _, f := range found.Forwardings {
			if err := api.Do(ctx, http.MethodDelete, path+"/"+f.ID(), nil, nil); err != nil {
				return err
			}
		}
	}
	return remove(ctx, api, "floatingip")
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
