package openstack

import (
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
)

// Whoever looks at the first thread alone misses those of Neutron's periodic workers.
func TestChildrenOfAllThreadsAreFound(t *testing.T) {
	child := exec.CommandContext(t.Context(), "sleep", "600")
	started := make(chan error)
	ended := make(chan struct{})
	go func() {
		runtime.LockOSThread() // no other goroutine's, and not the first unless that is idle
		started <- child.Start()
		<-ended
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	defer close(ended)
	found, err := childrenOf(os.Getpid())
	if err != nil || !slices.Contains(found, child.Process.Pid) {
		t.Errorf("children %v, %v; want %d among them", found, err, child.Process.Pid)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
}
