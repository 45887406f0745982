package operate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragonflow/dragonflow/internal/operate"
	"github.com/dragonflow/dragonflow/internal/testkit/apptest"
	"github.com/dragonflow/dragonflow/internal/testkit/oftrace"
)

// TestLiesAreDisputed: what every packet test holds dragonflow why to notices an answer that names another stage,
// object or reason than Open vSwitch's own trace shows.
func TestLiesAreDisputed(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	s := c.onSwitch()
	frame := append(append(c.db.MACAddress[:], c.open.MACAddress[:]...), 0x08, 0x00)
	frame = append(frame, make([]byte, 46)...)
	for what, at := range map[string]struct {
		port   string
		inPort uint32
	}{"spoofed": {c.web.ID, 1}, "refused": {c.stranger.ID, 4}} {
		theirs, err := oftrace.Parse(s.Appctl("ofproto/trace", apptest.Bridge, operate.TraceSyntax(operate.FromFrame(at.inPort, frame))), at.inPort)
		if err != nil {
			t.Fatal(err)
		}
		ask := func() *operate.Answer {
			ans, err := operate.Why(c.world(), operate.Question{Port: at.port, Frame: fmt.Sprintf("%x", frame)})
			if err != nil {
				t.Fatal(err)
			}
			return ans
		}
		if wrong := c.Disputes(ask(), theirs); len(wrong) > 0 {
			t.Fatalf("%s: the truth is disputed: %v", what, wrong)
		}
		for lie, tell := range map[string]func(*operate.Answer){
			"passes":         func(a *operate.Answer) { a.Passes = true },
			"another stage":  func(a *operate.Answer) { a.Fates[0].Stage = "deliver" },
			"another object": func(a *operate.Answer) { a.Fates[0].Object = "port nobody" },
			"another reason": func(a *operate.Answer) { a.Fates[0].Reason = "it is Sunday" },
			"unsaid reason":  func(a *operate.Answer) { a.Sentence = strings.ReplaceAll(a.Sentence, a.Fates[0].Reason, "") },
			"unsaid stage":   func(a *operate.Answer) { a.Sentence = strings.ReplaceAll(a.Sentence, a.Fates[0].Stage, "") },
			"unsaid object":  func(a *operate.Answer) { a.Sentence = strings.ReplaceAll(a.Sentence, a.Fates[0].Object, "") },
			"a drop too few": func(a *operate.Answer) { a.Fates = nil },
		} {
			ans := ask()
			if tell(ans); len(c.Disputes(ans, theirs)) == 0 {
				t.Errorf("%s, %s: nobody disputes %q", what, lie, ans.Sentence)
			}
		}
	}
}
