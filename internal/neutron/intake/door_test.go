package intake_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/neutron/api"
	"github.com/dragonflow/dragonflow/internal/neutron/intake"
	"github.com/dragonflow/dragonflow/internal/northbound/db/memory"
)

// socket serves a database over a Unix socket until the test ends.
func socket(t *testing.T, d *door, group string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "n.sock")
	s := intake.New(intake.Options{Server: d.server})
	door, err := api.OpenDoor(api.Access{Listen: "unix:" + path, Group: group, Mutual: true}, s.Handler(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	door.OnEnd(s.Close)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- door.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

// An operator's client asks over the socket, while a Neutron that hears of it answers.
func TestClient(t *testing.T) {
	t.Parallel()
	d := run(t, memory.Open(), true)
	path := socket(t, d, "")
	client, err := intake.NewClient("unix:"+path, "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n := network(3, "blue\x1b[31m")
	d.push(change("network", n))
	listed := with(n, obj{"revision_number": 4})
	neutron := func(fix bool) {
		s := overSocket(t, path)
		l := listen(s)
		for l.hear("5"); ; l.hear("5") {
			for key, asked := range l.known {
				id, isAudit := strings.CutPrefix(key, "audit ")
				if !isAudit || asked["fix"] != fix {
					continue
				}
				s.audit(with(list("network", listed), obj{"audit": id}))
				if fix {
					s.push(change("network", listed))
				}
				s.must(200, "POST", "/v1/audits/"+id+"/done", obj{})
				return
			}
		}
	}
	for _, fix := range []bool{false, true} {
		heard := make(chan struct{})
		go func() {
			defer close(heard)
			neutron(fix)
		}()
		report, err := client.Audit(ctx, fix)
		if err != nil {
			t.Fatal(err)
		}
		<-heard
		var shown bytes.Buffer
		if err := report.Write(&shown); err != nil || report.Total != 1 {
			t.Errorf("%+v %v", report, err)
		}
		want := fmt.Sprintf("network  %s  blue?[31m  different   4           3", n["id"])
		if !strings.Contains(shown.String(), want) {
			t.Errorf("shown:\n%swant %s", shown.String(), want)
		}
		if _, err := client.Accept(ctx, report, 0, 0, true); (err == nil) != fix {
			t.Errorf("accepted after fix %v: %v", fix, err)
		}
	}
	d.wantPushed("same", change("network", listed))
}

// overSocket talks to a server on a Unix socket.
func overSocket(t *testing.T, path string) *door {
	t.Helper()
	return &door{t: t, base: "http://unix", client: &http.Client{Transport: unixTransport(path)}}
}

// Who waits for changes does not hold up the end of a server.
func TestEndWithListeners(t *testing.T) {
	t.Parallel()
	d := run(t, memory.Open(), true)
	path := filepath.Join(t.TempDir(), "n.sock")
	s := intake.New(intake.Options{Server: d.server})
	door, err := api.OpenDoor(api.Access{Listen: "unix:" + path}, s.Handler(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	door.OnEnd(s.Close)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- door.Serve(ctx) }()
	l := listen(overSocket(t, path))
	l.hear("5")
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		l.hear("30")
	}()
	begun := time.Now()
	eventually(t, func() bool { return time.Since(begun) > 20*time.Millisecond }) // it waits, most likely
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-waiting
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it took %s to end", took)
	}
}

func TestWhoMayCome(t *testing.T) {
	t.Parallel()
	d := run(t, memory.Open(), true)
	mode := func(path string) os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if got := mode(socket(t, d, "")); got != 0o600 {
		t.Errorf("mode %o", got)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		t.Fatal(err)
	}
	if got := mode(socket(t, d, group.Name)); got != 0o660 {
		t.Errorf("mode %o", got)
	}
	for _, a := range []api.Access{
		{Listen: "127.0.0.1:0", Mutual: true},
		{Listen: "unix:" + filepath.Join(t.TempDir(), "n.sock"), Group: "nobody-has-this-group", Mutual: true},
	} {
		if door, err := api.OpenDoor(a, http.NotFoundHandler(), time.Second); err == nil {
			t.Errorf("%+v is open", a)
			_ = door.Close()
		}
	}
}
