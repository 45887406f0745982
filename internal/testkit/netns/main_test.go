package netns_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain sees to it that every goroutine of guests and labs has an end.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
