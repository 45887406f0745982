package objects

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// API is a server to read from.
type API struct {
	// URL is where it is, such as http://127.0.0.1:9696, or unix:/path.
	URL string
	// Token is sent as X-Auth-Token, if not empty.
	Token string
	// Client, if set, knows the certificates.
	Client *http.Client
}

// ErrNotInAPI says that Neutron's API does not have the kind.
var ErrNotInAPI = errors.New("the API does not show this kind; read it from the database with --db")

const apiTimeout = 30 * time.Second

// maxBody bounds an answer of the API.
const maxBody = 512 << 20

// List reads the objects of a kind; a name, if not empty, is an id or a name.
func (a API) List(ctx context.Context, k Kind, name string) ([]Object, error) {
	if k.path == "" {
		return nil, fmt.Errorf("get %s: %w", k.Word, ErrNotInAPI)
	}
	if name == "" {
		return a.fetch(ctx, k, nil)
	}
	for _, by := range []string{"id", "name"} {
		list, err := a.fetch(ctx, k, url.Values{by: {name}})
		if err != nil || len(list) > 0 {
			return list, err
		}
	}
	return nil, nil
}

func (a API) fetch(ctx context.Context, k Kind, query url.Values) ([]Object, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	base, client := a.door()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v2.0/"+k.path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask the API: %w", err)
	}
	if a.Token != "" {
		request.Header.Set("X-Auth-Token", a.Token)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the API; --api-listen says where it is, and --db reads the database instead: %w", err)
	}
	defer response.Body.Close()
	body := json.NewDecoder(io.LimitReader(response.Body, maxBody))
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response.Status, body)
	}
	var answer map[string]json.RawMessage
	list := []Object{}
	if err := body.Decode(&answer); err != nil {
		return nil, fmt.Errorf("the API's answer: %w", err)
	}
	if err := json.Unmarshal(answer[strings.ReplaceAll(k.path, "-", "_")], &list); err != nil {
		return nil, fmt.Errorf("the API's answer: %w", err)
	}
	slices.SortFunc(list, compare)
	return list, nil
}

// refusal reads an error body of Neutron's.
func refusal(status string, body *json.Decoder) error {
	var e struct {
		NeutronError struct {
			Message string `json:"message"`
		} `json:"NeutronError"`
	}
	if err := body.Decode(&e); err != nil || e.NeutronError.Message == "" {
		return fmt.Errorf("the API answers %s", status)
	}
	return fmt.Errorf("the API answers %s: %s", status, e.NeutronError.Message)
}

// door returns the address for requests and the client that gets there.
func (a API) door() (string, *http.Client) {
	client := a.Client
	if client == nil {
		client = &http.Client{}
	}
	path, isUnix := strings.CutPrefix(a.URL, "unix:")
	if !isUnix {
		return strings.TrimSuffix(a.URL, "/"), client
	}
	dialer := &net.Dialer{}
	return "http://api", &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
	}}
}
