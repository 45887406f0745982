package scenario

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestErrorsNameLineAndWord(t *testing.T) {
	t.Parallel()
	const before = "chassis c1 c2\nnetwork n 10.0.0.0/24\nrouter r n\nguest a on c1 in n\ngroup g\n"
	for text, want := range map[string]string{
		"gest b on c1 in n":               `s:6: word 1, "gest": no statement begins`,
		"chassis c1":                      `s:6: word 2, "c1": there is such a chassis already`,
		"chassis":                         `s:6: word 2 is missing: expected a name`,
		"network m 10.0.0.0":              `s:6: word 3, "10.0.0.0": a network has no such option`,
		"network m 10.0.0.0/33":           `s:6: word 3, "10.0.0.0/33": a prefix is`,
		"network m 10.0.1.0/24 mtu 1e3":   `s:6: word 5, "1e3": an MTU is a number from 68 to 9000`,
		"router q n m":                    `s:6: word 4, "m": the statement has ended`,
		"attach r m":                      `s:6: word 3, "m": no network has this name; known: n`,
		"route r 10.9.0.0/24 10.0.0.9":    `s:6: word 4, "10.0.0.9": expected "via"`,
		"guest b on c3 in n":              `s:6: word 4, "c3": no chassis has this name; known: c1 c2`,
		"guest b on c1 in n at 10.0.0":    `s:6: word 8, "10.0.0": addresses are separated by commas`,
		"guest b on c1 in n groups h":     `s:6: word 8, "h": no group has this name; known: g`,
		"ping a b":                        `s:6: word 3, "b": neither a guest nor an address; guests: a`,
		"ping a 10.0.0.1 1 lost":          `s:6: word 4, "1": the statement has ended`,
		"ping a 10.0.0.1 all":             `s:6: word 5 is missing: expected "lost"`,
		"tcp a 10.0.0.1 open":             `s:6: word 3, "10.0.0.1": a port is missing`,
		"tcp a [2001:db8::1]:0 open":      `"0" is no port`,
		"tcp a 10.0.0.1:80 shut":          `s:6: word 4, "shut": expected open or refused or silent`,
		"probe a 10.0.0.1 exceeded":       `s:6: word 5 is missing: expected an address`,
		"allow g in v4 tcp 80 from h":     `s:6: word 8, "h": a prefix is`,
		"allow g up v4 tcp":               `s:6: word 3, "up": expected in or out`,
		"kill controller":                 `s:6: word 3 is missing: expected the name of a chassis`,
		"kill everything":                 `s:6: word 2, "everything": expected server or database or controller`,
		"ends t 0 lost":                   `no traffic has this name`,
		"set guest a up":                  `s:6: word 4, "up": expected FIELD=VALUE`,
		"tunnels gre":                     `s:6: word 2, "gre": a tunnel is geneve or vxlan`,
		"pause 1 # comment\npause 1 hour": `s:7: word 3, "hour": the statement has ended; usage: pause SECONDS`,
		"log l event REJECT":              `s:6: word 4, "REJECT": expected ACCEPT or DROP or ALL`,
		"logging l on":                    `s:6: word 2, "l": no log has this name`,
		"unlogged tcp a 10.0.0.1:80 of a": `s:6: word 4, "10.0.0.1:80": expected a guest`,
		"real":                            `s:6: word 2 is missing: expected a reason`,
	} {
		s, err := Parse("s", before+text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %s", text, err, want)
		}
		if s != nil {
			t.Errorf("%q: a scenario and an error", text)
		}
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: %T", text, err)
		}
	}
}

func TestScenariosOfTheRepository(t *testing.T) {
	t.Parallel()
	all, err := All()
	if err != nil || len(all) == 0 {
		t.Fatalf("%d scenarios, %v", len(all), err)
	}
	for name, text := range all {
		if s, err := Parse(name, text); err != nil {
			t.Error(err)
		} else if len(s.Steps) == 0 {
			t.Errorf("%s has no statement", name)
		}
	}
}

func TestFailuresNameTheStatement(t *testing.T) {
	t.Parallel()
	s, err := Parse("s", "real only an example\n\npause 1\n")
	if err != nil || s.NeedsReal != "only an example" || s.Steps[0].Line != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Play(ctx, nil, t.Logf); err == nil || err.Error() != "s:3: pause 1: context canceled" {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	all, err := All()
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range all {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := Parse("f", text); (s == nil) == (err == nil) {
			t.Fatalf("%v, %v", s, err)
		}
	})
}
