package config

import "testing"

func TestMetadataProblems(t *testing.T) {
	for name, c := range map[string]struct {
		m     Metadata
		found int
	}{
		"off":                         {Metadata{}, 0},
		"on":                          {Metadata{NovaURL: "http://192.0.2.1:8775", SecretFile: "/s"}, 0},
		"with TLS":                    {Metadata{NovaURL: "https://nova.example:8775", SecretFile: "/s", CA: "/ca", Cert: "/c", Key: "/k"}, 0},
		"not a URL":                   {Metadata{NovaURL: "192.0.2.1:8775", SecretFile: "/s"}, 1},
		"without a secret":            {Metadata{NovaURL: "http://192.0.2.1:8775"}, 1},
		"a certificate without a key": {Metadata{Cert: "/c"}, 1},
	} {
		if found := c.m.problems(); len(found) != c.found {
			t.Errorf("%s: problems %v, want %d", name, found, c.found)
		}
	}
}
