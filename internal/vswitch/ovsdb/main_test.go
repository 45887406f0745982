package ovsdb_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees to it that every goroutine of every client has an end.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
