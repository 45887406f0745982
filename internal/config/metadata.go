package config

import "net/url"

// Metadata is where a controller takes guests' requests for metadata: Neutron has these in its metadata agent's
// settings.
type Metadata struct {
	NovaURL    string `key:"metadata-nova-url" default:"none: no metadata" help:"Nova's metadata server, http://HOST:8775 or https://HOST:8775"`
	SecretFile string `key:"metadata-secret-file" default:"none" help:"file with the secret that Nova's settings call metadata_proxy_shared_secret; readable by its owner alone"`
	CA         string `key:"metadata-ca" default:"the system's" help:"PEM file with the authorities that may vouch for Nova's metadata server"`
	Cert       string `key:"metadata-cert" default:"none" help:"PEM file with the client certificate for Nova's metadata server"`
	Key        string `key:"metadata-key" default:"none" help:"PEM file with the key of that certificate"`
}

func (*Metadata) title() string { return "Controller: metadata" }

func (m *Metadata) problems() map[string]string {
	found := map[string]string{}
	if u, err := url.Parse(m.NovaURL); m.NovaURL != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		found["metadata-nova-url"] = "must be http://HOST:PORT or https://HOST:PORT"
	}
	if m.NovaURL != "" && m.SecretFile == "" {
		found["metadata-secret-file"] = "must be given, since Nova believes no request without a signature"
	}
	if (m.Cert == "") != (m.Key == "") {
		found["metadata-cert"] = "and metadata-key must be given together"
	}
	return found
}
