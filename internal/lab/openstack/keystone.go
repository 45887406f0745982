package openstack

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// password is everybody's, in a cloud that only this machine reaches.
const password = "loopback"

// startKeystone makes the tables, the administrator, the catalogue and Neutron's own user, and serves.
func (s *Stack) startKeystone(ctx context.Context) error {
	if !s.Keystone {
		return nil
	}
	keys := filepath.Join(s.Dir, "keys")
	for _, dir := range []string{keys, filepath.Join(keys, "fernet"), filepath.Join(keys, "credential")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	config, err := s.file("keystone.conf", fmt.Sprintf(`[database]
connection = %s
[token]
provider = fernet
expiration = 86400
[fernet_tokens]
key_repository = %s/fernet
[credential]
key_repository = %s/credential
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = oslo_cache.dict
`, s.connection("keystone"), keys, keys))
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		{"db_sync"},
		{"fernet_setup", "--keystone-user", "root", "--keystone-group", "root"},
		{"credential_setup", "--keystone-user", "root", "--keystone-group", "root"},
		{
			"bootstrap", "--bootstrap-password", password, "--bootstrap-region-id", "RegionOne",
			"--bootstrap-public-url", s.Identity + "/v3", "--bootstrap-internal-url", s.Identity + "/v3", "--bootstrap-admin-url", s.Identity + "/v3",
		},
	} {
		if _, err := s.run(ctx, nil, append([]string{s.program("keystone-manage"), "--config-file", config}, args...)...); err != nil {
			return err
		}
	}
	if err := s.serveKeystone(ctx, config); err != nil {
		return err
	}
	return s.introduce(ctx)
}

func (s *Stack) serveKeystone(ctx context.Context, config string) error {
	shipped := s.program("keystone-wsgi-public") // the server that older releases bring themselves
	if _, err := os.Stat(shipped); err != nil {
		return s.serve(ctx, "keystone", "keystone.wsgi.api:application", s.Identity, 1, []string{"OS_KEYSTONE_CONFIG_FILES=" + config})
	}
	host, port, _ := strings.Cut(strings.TrimPrefix(s.Identity, "http://"), ":")
	d := &daemon{name: "keystone", argv: []string{shipped, "--host", host, "--port", port, "--", "--config-file", config}}
	return s.launch(ctx, d, serves(s.Identity+"/"))
}

// introduce tells Keystone of Neutron.
func (s *Stack) introduce(ctx context.Context) error {
	k := caller{url: s.Identity + "/v3"}
	if err := k.login(ctx); err != nil {
		return err
	}
	project, err := k.create(ctx, "project", object{"name": "service", "domain_id": "default"})
	if err != nil {
		return err
	}
	user, err := k.create(ctx, "user", object{"name": "neutron", "domain_id": "default", "password": password})
	if err != nil {
		return err
	}
	var roles struct{ Roles []struct{ ID string } }
	if err := k.call(ctx, http.MethodGet, "/roles?name=admin", nil, &roles); err != nil {
		return err
	}
	if len(roles.Roles) != 1 {
		return fmt.Errorf("keystone has %d roles admin", len(roles.Roles))
	}
	if err := k.call(ctx, http.MethodPut, "/projects/"+project+"/users/"+user+"/roles/"+roles.Roles[0].ID, nil, nil); err != nil {
		return err
	}
	service, err := k.create(ctx, "service", object{"name": "neutron", "type": "network"})
	if err != nil {
		return err
	}
	_, err = k.create(ctx, "endpoint", object{"service_id": service, "interface": "public", "region_id": "RegionOne", "url": s.API})
	return err
}

// authConfig is how Neutron asks Keystone who calls.
func (s *Stack) authConfig() string {
	if !s.Keystone {
		return ""
	}
	return fmt.Sprintf(`[keystone_authtoken]
www_authenticate_uri = %s
auth_url = %s
auth_type = password
project_name = service
project_domain_id = default
username = neutron
user_domain_id = default
password = %s
region_name = RegionOne
service_token_roles_required = false
`, s.Identity, s.Identity, password)
}
