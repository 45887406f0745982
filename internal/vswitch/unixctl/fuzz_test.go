package unixctl

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzReply reads what a daemon answers.
func FuzzReply(f *testing.F) {
	for _, seed := range []string{`{"id":0,"result":"text","error":null}`, `{"error":"no\n"}`, `{"result":{}}`, ``, `[]`, "\xff"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := reply(bytes.NewReader(b), "m")
		if refused := (*Error)(nil); errors.As(err, &refused) && text != "" {
			t.Fatalf("refused with a result: %q", text)
		}
	})
}
