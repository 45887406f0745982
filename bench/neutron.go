package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
)

// neutron is a client of the API that runs in this process.
type neutron struct{ url string }

// serve runs the API on a loopback port until the end of the experiment.
func (s *site) serve(ctx context.Context, r *run) (*neutron, error) {
	server, err := api.New(api.Options{DB: s.conn, Quotas: map[string]int{"port": -1}})
	if err != nil {
		return nil, err
	}
	door, err := server.Open(api.Access{Listen: "127.0.0.1:0"})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 2)
	go func() { done <- server.Run(ctx) }()
	go func() { done <- door.Serve(ctx) }()
	r.atEnd(func() { cancel(); <-done; <-done })
	return &neutron{"http://" + door.Address().String() + "/v2.0/"}, server.WaitReady(ctx)
}

// call sends a body and returns the id of the object in the answer.
func (n *neutron) call(ctx context.Context, method, path, kind string, body map[string]any) (string, error) {
	text, err := json.Marshal(map[string]any{kind: body})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, method, n.url+path, bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }() // read
	text, err = io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if response.StatusCode >= 300 {
		return "", fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	}
	var answer map[string]struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return "", err
	}
	return answer[kind].ID, nil
}

// network makes a network with a subnet of each family.
func (n *neutron) network(ctx context.Context) (string, error) {
	id, err := n.call(ctx, "POST", "networks", "network", map[string]any{"name": "blue"})
	if err != nil {
		return "", err
	}
	for version, cidr := range map[int]string{4: "10.0.0.0/16", 6: "2001:db8::/64"} {
		subnet := map[string]any{"network_id": id, "cidr": cidr, "ip_version": version}
		if _, err := n.call(ctx, "POST", "subnets", "subnet", subnet); err != nil {
			return "", err
		}
	}
	return id, nil
}
