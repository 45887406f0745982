package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// output is a buffer that a running command writes and a test reads.
type output struct {
	mu sync.Mutex
	bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Buffer.Write(p)
}

// String returns what was written so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Buffer.String()
}

// freeAddress returns a loopback address at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// ask returns the status and body of a page, or zero if nobody answers.
func ask(url string) (status int, body string) {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(data)
}

// await asks for a page until it answers with a status.
func await(t *testing.T, url string, want int) string {
	t.Helper()
	deadline, tick := time.After(time.Minute), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		status, body := ask(url)
		if status == want {
			return body
		}
		select {
		case <-deadline:
			t.Fatalf("%s: answers %d %s, want %d", url, status, body, want)
		case <-tick.C:
		}
	}
}

func TestAServerServesUntilItIsAskedToEnd(t *testing.T) {
	api, metrics := freeAddress(t), freeAddress(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	log := &output{}
	ended := make(chan int, 1)
	go func() {
		h := &host{in: strings.NewReader(""), out: log, err: log}
		ended <- run(ctx, h, []string{"server", "--db", "memory://", "--api-listen", api, "--metrics-listen", metrics})
	}()
	await(t, "http://"+metrics+"/readyz", http.StatusOK)
	if body := await(t, "http://"+api+"/v2.0/networks", http.StatusOK); body != `{"networks": []}` && body != `{"networks":[]}` {
		t.Errorf("/v2.0/networks answers %s", body)
	}
	if body := await(t, "http://"+metrics+"/metrics", http.StatusOK); !strings.Contains(body, "dragonflow_build_info") {
		t.Errorf("/metrics answers %s", body)
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("ended with exit code %d:\n%s", code, log)
	}
}

func TestADaemonThatCannotStartSaysWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, test := range map[string]struct {
		args []string
		code int
		err  string
	}{
		"API's port is taken":       {[]string{"--api-listen", taken.Addr().String()}, exitFailed, "address already in use"},
		"metrics' port is taken":    {[]string{"--api-listen", freeAddress(t), "--metrics-listen", taken.Addr().String()}, exitFailed, "--metrics-listen"},
		"API open to everybody":     {[]string{"--api-listen", "0.0.0.0:0"}, exitFailed, "can be reached by others"},
		"no such kind of database":  {[]string{"--db", "punchcards://"}, exitFailed, "punchcards"},
		"database with a bad value": {[]string{"--db", "etcd"}, exitUsage, "must be a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := try(t, append([]string{"server", "--db", "memory://", "--metrics-listen", "off"}, test.args...)...)
			if code != test.code || !strings.Contains(errs, test.err) {
				t.Errorf("exit code %d, want %d: %s", code, test.code, errs)
			}
		})
	}
}

// TestUnitsRunCommandsThatExist holds the systemd units to the command line.
func TestUnitsRunCommandsThatExist(t *testing.T) {
	units, err := filepath.Glob("../../deploy/systemd/*.service")
	if err != nil || len(units) == 0 {
		t.Fatalf("found no units: %v", err)
	}
	for _, unit := range units {
		data, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		_, line, _ := strings.Cut(string(data), "\nExecStart=")
		words := strings.Fields(strings.SplitN(line, "\n", 2)[0])
		command, rest, err := rootCommand(&host{}).Find(words[1:])
		if err != nil || command.GroupID != groupRun {
			t.Errorf("%s runs %q: %v", unit, words, err)
			continue
		}
		if err := command.ParseFlags(rest); err != nil {
			t.Errorf("%s runs %q: %v", unit, words, err)
		}
	}
}
