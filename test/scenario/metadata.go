package scenario

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// parseNova has the chassis that follow serve metadata.
func parseNova(*words) action {
	return func(ctx context.Context, r *Run) error { return r.platform.Do(ctx, Action{Verb: Start, Part: Nova}) }
}

// parseMetadata has a guest ask who it is, at both addresses of the service.
func parseMetadata(w *words) action {
	name := w.name(aGuest)
	return func(ctx context.Context, r *Run) error {
		for _, address := range []string{"169.254.169.254:80", "[fe80::a9fe:a9fe%eth0]:80"} {
			err := eventually(ctx, func(ctx context.Context) error {
				told, err := r.machines[name].whoAmI(ctx, address)
				if err == nil && told != instanceOf(name) {
					err = fmt.Errorf("%s is told %q", name, told)
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("metadata at %s: %w", address, err)
			}
		}
		return nil
	}
}

// instanceOf is the device_id of a guest's port.
func instanceOf(guest string) string { return "instance-" + guest }

func (m *machine) whoAmI(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := m.Dial(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // it was read
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://169.254.169.254/instance-id", nil)
	if err != nil {
		return "", err
	}
	request.Close = true
	if err := request.Write(conn); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }() // read
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(body)))
	}
	return string(body), err
}
