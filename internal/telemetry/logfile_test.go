package telemetry_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dragonflow/dragonflow/internal/telemetry"
)

func TestALogFileThatIsMovedAwayIsMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := telemetry.OpenLogFile(path, func() { t.Error("a line is lost") })
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { f.Run(ctx, slog.New(slog.DiscardHandler)); close(done) }()
	holds := func(path, want string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; {
			got, err := os.ReadFile(path)
			if err == nil && strings.Contains(string(got), want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s has %q (%v), want %q", path, got, err, want)
			}
			<-time.After(time.Millisecond)
		}
	}
	write := func(line string) {
		if _, err := f.Write([]byte(line)); err != nil {
			t.Error(err)
		}
	}
	write("one\n")
	holds(path, "one\n")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	holds(path, "")
	write("two\n")
	holds(path, "two\n")
	write("three\n")
	cancel()
	<-done
	holds(path, "two\nthree\n")
	holds(path+".1", "one\n")
}
