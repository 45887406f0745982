package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/controller"
	"github.com/dragonflow/dragonflow/internal/controller/apps"
	"github.com/dragonflow/dragonflow/internal/controller/view"
	"github.com/dragonflow/dragonflow/internal/model"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/vswitch/ovsdb"
	"github.com/dragonflow/dragonflow/internal/vswitch/private"
)

// site is a database, a switch and a controller at work.
type site struct {
	url       string
	conn      *db.Connection
	etcd      *child
	store     *northbound.Store
	sw        *private.Switch
	confirmed chan string
}

func (r *run) site(ctx context.Context, kind string, base []model.Object) (*site, error) {
	s := &site{confirmed: make(chan string, 4*portsEach)}
	dir, err := r.folder()
	if err != nil {
		return nil, err
	}
	s.url = "embedded://" + dir + "/db"
	if kind == "etcd" {
		if s.url, s.etcd, err = r.etcd(ctx); err != nil {
			return nil, err
		}
	}
	if s.conn, err = openDatabase(ctx, s.url); err != nil {
		return nil, err
	}
	r.atEnd(func() { _ = s.conn.Close() })
	s.store = northbound.NewStore(s.conn)
	if err := write(ctx, s.store, base); err != nil {
		return nil, err
	}
	if s.sw, err = r.vswitch(ctx, private.Config{}); err != nil {
		return nil, err
	}
	return s, s.sw.AddBridge(ctx, "br-int")
}

// openDatabase opens a database as the daemons do by default.
func openDatabase(ctx context.Context, url string) (*db.Connection, error) {
	return northbound.Open(ctx, url, northbound.Options{Prefix: config.Default().Database.Prefix})
}

// control runs a controller in this process until the end of the experiment.
func (s *site) control(ctx context.Context, r *run) error {
	dir, err := r.folder()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ctl, err := controller.New(ctx, controller.Options{
		Chassis: host, DB: s.conn, OVSDB: "unix:" + s.sw.OVSDB(), Bridge: "br-int", StateDir: dir, Apps: apps.All(),
		Self: view.Chassis{DHCPLeaseTime: leaseTime}, Confirmed: func(id string) { s.confirmed <- id },
	})
	if err != nil {
		cancel()
		return err
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = ctl.Run(ctx) }() // until it is asked to end
	r.atEnd(func() { cancel(); <-done })
	limited, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	if !ctl.WaitSynced(limited) {
		return errors.New("the controller does not get in sync")
	}
	return nil
}

// wait waits until the switch has confirmed a port.
func (s *site) wait(ctx context.Context, id string) error {
	timeout := time.NewTimer(30 * time.Second)
	defer timeout.Stop()
	for {
		select {
		case got := <-s.confirmed:
			if got == id {
				return nil
			}
		case <-timeout.C:
			return fmt.Errorf("port %s is not confirmed within 30 s", id)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// cpu is what everything but the switch used.
func (s *site) cpu() (time.Duration, error) {
	own, err := ownCPU()
	if err != nil || s.etcd == nil {
		return own, err
	}
	their, err := cpuOf(s.etcd.pid)
	return own + their, err
}

// plugger returns what gives an interface a port's id, as Nova does.
func plugger(ctx context.Context, r *run, sw *private.Switch) (func(name, id string) error, error) {
	client, err := ovsdb.New(ovsdb.Config{Endpoint: "unix:" + sw.OVSDB()})
	if err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = client.Run(running) }() // until it is asked to end
	rows := ovsdb.NewDB()
	changes := make(chan ovsdb.Event, 1024)
	go func() {
		for e := range client.Events() {
			select {
			case changes <- e:
			case <-running.Done():
			}
		}
	}()
	r.atEnd(func() { cancel(); <-done })
	return func(name, id string) error {
		for rows.InterfaceNamed(name) == nil {
			select {
			case e := <-changes:
				rows.Apply(e.Changes)
			case <-running.Done():
				return running.Err()
			}
		}
		txn := ovsdb.MergeExternalIDs(rows.InterfaceNamed(name), map[string]string{"iface-id": id}, nil)
		return client.Transact(ctx, txn)
	}, nil
}
