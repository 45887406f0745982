package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/dragonflow/dragonflow/internal/operate/local"
)

// addQuestions lets operators on this host ask the controller.
func (d *daemon) addQuestions(chassis local.Chassis, o local.Options) error {
	listener, err := listenLocally(local.Socket(d.settings.Chassis.StateDir), d.settings.Chassis.StateDir)
	if err != nil {
		return err
	}
	const patience = 10 * time.Second
	server := &http.Server{
		Handler: local.Handler(chassis, o), ReadHeaderTimeout: patience, ReadTimeout: patience,
		IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelWarn),
	}
	d.add(func(context.Context) error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("answer questions at %s: %w", listener.Addr(), err)
		}
		return nil
	})
	d.add(func(ctx context.Context) error {
		<-ctx.Done()
		return server.Close()
	})
	return nil
}

// listenLocally listens on a socket in the state directory that only its owner may use. One that a
// crashed process left behind is replaced; one at which somebody answers is not.
func listenLocally(path, stateDir string) (net.Listener, error) {
	const longestPath = 107 // sockaddr_un
	if len(path) > longestPath {
		return nil, fmt.Errorf("state-dir: %s is too long for the socket in it: at most %d bytes", stateDir, longestPath-len("/controller.sock"))
	}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, fmt.Errorf("state-dir: %w", err)
	}
	if other, err := net.DialTimeout("unix", path, time.Second); err == nil {
		return nil, errors.Join(fmt.Errorf("state-dir: a controller already runs with %s", stateDir), other.Close())
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("state-dir: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("state-dir: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("state-dir: %w", err), listener.Close())
	}
	return listener, nil
}
