package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dragonflow/dragonflow/internal/northbound/db"
	"github.com/dragonflow/dragonflow/internal/northbound/db/dbtest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(overflowDir); dir != "" {
		if err := overflow(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func open1(t testing.TB, dir, prefix string) *db.Connection {
	t.Helper()
	c, err := Open(t.Context(), Config{Dir: dir, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestConformance runs the suite twice: on the connection that has the server, and on one that comes
// through its socket.
func TestConformance(t *testing.T) {
	for _, through := range []string{"in process", "socket"} {
		t.Run(through, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			main := open1(t, dir, "/main")
			t.Cleanup(func() { main.Close() })
			dbtest.Run(t, &dbtest.Database{Open: func(t testing.TB, prefix string) *db.Connection {
				if through == "in process" {
					return main.Driver.(*guard).server.connect(prefix)
				}
				return open1(t, dir, prefix)
			}, Quick: through == "socket"})
		})
	}
}

// TestStart measures the start of a new and of a used database, and looks at what it leaves on disk.
func TestStart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	key := db.Key{Scope: "s", Kind: "k", ID: "i"}
	for round := range 3 {
		start := time.Now()
		c := open1(t, dir, "/p")
		took := time.Since(start)
		t.Logf("start %d: %s", round, took)
		it, err := c.Get(t.Context(), key)
		if round == 0 != errors.Is(err, db.ErrNotFound) {
			t.Errorf("round %d: %v", round, err)
		}
		if round > 0 && string(it.Value) != fmt.Sprint(round-1) {
			t.Errorf("round %d: %q", round, it.Value)
		}
		if _, err := c.Apply(t.Context(), []db.Op{{Verb: db.Put, Key: key, If: db.AnyRevision, Value: fmt.Append(nil, round)}}); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory %v %v", st.Mode(), err)
	}
}

// TestBadDirectories are refused with what is wrong.
func TestBadDirectories(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "x"), "/proc/nothing", "/" + strings.Repeat("long", 30)} {
		c, err := Open(t.Context(), Config{Dir: dir})
		if err == nil {
			c.Close()
			t.Errorf("%s was opened", dir)
		} else if !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the error does not name it: %v", dir, err)
		}
	}
}

// TestCorrupt: a broken log is an error that says so, not the end of the process.
func TestCorrupt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open1(t, dir, "/p")
	for i := range 50 {
		op := db.Op{Verb: db.Put, Key: db.Key{Scope: "s", Kind: "k", ID: fmt.Sprint(i)}, Value: bytes.Repeat([]byte{'x'}, 1000)}
		if _, err := c.Apply(t.Context(), []db.Op{op}); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	logs, err := filepath.Glob(filepath.Join(dir, "etcd/member/wal/*.wal"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("no log found: %v", err)
	}
	f, err := os.OpenFile(logs[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xff}, 4096), 8192); err != nil {
		t.Fatal(err)
	}
	c, err = Open(t.Context(), Config{Dir: dir})
	if err == nil {
		c.Close()
		t.Fatal("a corrupt database was opened")
	}
	t.Log(err)
}

// smallDisk mounts a file system of 320 MiB, of which etcd takes 128 MiB for its log.
func smallDisk(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root to mount a small file system")
		}
		t.Skip("needs root to mount a small file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=320m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// take leaves an amount of free room on the disk: to fill all of it by writing takes a busy machine minutes.
func take(dir string, leave uint64) error {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return fmt.Errorf("free room of %s: %w", dir, err)
	}
	free := st.Bavail * uint64(st.Bsize)
	if free <= leave {
		return nil
	}
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		return fmt.Errorf("take room: %w", err)
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(free-leave)); err != nil {
		return errors.Join(fmt.Errorf("take room: %w", err), f.Close())
	}
	return f.Close()
}

// keys is how many keys fill writes.
const keys = 8

// fill writes a number of MiB, unless that fails, and returns why.
func fill(ctx context.Context, d db.Driver, count int) error {
	for i := range count {
		op := db.Op{Verb: db.Put, Key: db.Key{Scope: "s", Kind: "k", ID: fmt.Sprint(i % keys)}, If: db.AnyRevision, Value: make([]byte, 1<<20)}
		if _, err := d.Apply(ctx, []db.Op{op}); err != nil {
			return err
		}
	}
	return nil
}

// TestFullDisk: writes are refused before etcd runs into the end of the disk; reads and deletes go on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	c := open1(t, dir, "/p")
	defer c.Close()
	if err := errors.Join(fill(t.Context(), c.Driver, keys), take(dir, reserve+8<<20)); err != nil {
		t.Fatal(err)
	}
	err := fill(t.Context(), c.Driver, 600)
	if !errors.Is(err, db.ErrFull) || !strings.Contains(err.Error(), "MiB") {
		t.Fatalf("a full disk gives %v", err)
	}
	items, _, err := c.List(t.Context(), "s")
	if err != nil || len(items) != keys {
		t.Errorf("%d items: %v", len(items), err)
	}
	if _, err := c.Apply(t.Context(), []db.Op{{Verb: db.Delete, Key: items[0].Key, If: db.AnyRevision}}); err != nil {
		t.Errorf("delete: %v", err)
	}
}

// TestFullDiskOfOthers: somebody else takes the last room, so that etcd fails. The process lives, and
// every call says why it cannot be served. etcd leaves goroutines behind, hence another process.
func TestFullDiskOfOthers(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), overflowDir+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "no space left on device") {
		t.Errorf("%v\n%s", err, out)
	}
}

const overflowDir = "DRAGONFLOW_TEST_OVERFLOW"

// overflow is the other process.
func overflow(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := Open(ctx, Config{Dir: dir})
	if err != nil {
		return err
	}
	g := c.Driver.(*guard)
	bound, stop := g.bound(ctx)
	defer stop()
	if err := take(dir, 8<<20); err != nil {
		return err
	}
	err = fill(bound, g.Driver, 600)
	fmt.Println("first:", err)
	_, err = c.Get(ctx, db.Key{Scope: "s", Kind: "k", ID: "0"})
	fmt.Println("then:", err)
	if err == nil || !strings.Contains(err.Error(), "etcd: ") {
		return errors.New("the second call does not say why it fails")
	}
	fmt.Println("close:", c.Close())
	return ctx.Err()
}
