package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
)

func TestBackupAndRestoreWhileTheDatabaseIsInUse(t *testing.T) {
	url := "embedded://" + filepath.Join(t.TempDir(), "db")
	conn, err := northbound.Open(t.Context(), url, northbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	store := northbound.NewStore(conn)
	if _, err := store.Txn().Put(apptest.Net("n1")).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "backup")
	mustRun(t, "db", "backup", file, "--db", url)
	if _, err := store.Txn().Put(apptest.Net("n2")).Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := try(t, "db", "restore", file, "--db", url); code == 0 || !strings.Contains(errs, "--replace") {
		t.Errorf("a restore over what is there: exit code %d, %s", code, errs)
	}
	mustRun(t, "db", "restore", file, "--replace", "--db", url)
	dump := mustRun(t, "db", "dump", "--db", url)
	if !strings.Contains(dump, "n1") || strings.Contains(dump, "n2") {
		t.Errorf("the dump after the restore:\n%s", dump)
	}
	if out := mustRun(t, "db", "accept", "a test", "--db", url); !strings.Contains(out, "epoch") {
		t.Errorf("db accept says %q", out)
	}
}

func TestADamagedBackupIsNotRestored(t *testing.T) {
	file := filepath.Join(t.TempDir(), "backup")
	if err := os.WriteFile(file, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := try(t, "db", "restore", file, "--db", "memory://"); code != exitFailed || errs == "" {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if code, _, _ := try(t, "db", "backup", filepath.Join(t.TempDir(), "no", "such", "folder"), "--db", "memory://"); code != exitFailed {
		t.Errorf("a backup into nowhere: exit code %d", code)
	}
}

func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := try(t, args...)
	if code != 0 {
		t.Fatalf("dragonflow %s: exit code %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}
