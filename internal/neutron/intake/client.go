package intake

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// Client asks a server for audits, as an operator does on the server's host.
type Client struct {
	base string
	http *http.Client
}

// NewClient returns a client of the server that listens there. Beyond a Unix socket it shows the certificate of the
// server itself, and believes those for whom the authorities of Neutrons vouch.
func NewClient(listen, cert, key, authorities string) (*Client, error) {
	if path, ok := strings.CutPrefix(listen, "unix:"); ok {
		var d net.Dialer
		return &Client{"http://server", &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		}}}}, nil
	}
	if listen == "" {
		return nil, errors.New("neutron-listen is not set: is there a Neutron?")
	}
	own, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("neutron-cert: %w", err)
	}
	pem, err := os.ReadFile(authorities)
	if err != nil {
		return nil, fmt.Errorf("neutron-client-ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("neutron-client-ca: no certificate in %s", authorities)
	}
	return &Client{"https://" + listen, &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: pool, MinVersion: tls.VersionTLS12}}}}, nil
}

// Audit has Neutron compare everything with what the server has, and repair it with fix; it returns when that is done.
func (c *Client) Audit(ctx context.Context, fix bool) (*Report, error) {
	var asked struct{ ID string }
	if err := c.call(ctx, http.MethodPost, "/v1/audits", map[string]bool{"fix": fix}, &asked); err != nil {
		return nil, err
	}
	for {
		var r Report
		if err := c.call(ctx, http.MethodGet, "/v1/audits/"+asked.ID+"?wait=20", nil, &r); err != nil {
			return nil, err
		}
		if r.State != stateDone {
			continue
		}
		if r.Error != "" {
			return nil, fmt.Errorf("audit: %s", r.Error)
		}
		return &r, nil
	}
}

// Accept makes chassis believe the database after an audit has made it anew, although it went back in time. It waits for
// chassis to register again, at least for settle, and for those to which ports are bound for patience; with force it then
// goes on without them.
func (c *Client) Accept(ctx context.Context, r *Report, settle, patience time.Duration, force bool) (epoch int64, err error) {
	start := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		waited := time.Since(start)
		if waited >= settle {
			var accepted struct{ Epoch int64 }
			err := c.call(ctx, http.MethodPost, "/v1/audits/"+r.ID+"/accept", map[string]bool{"force": force && waited >= patience}, &accepted)
			if err == nil || waited >= patience {
				return accepted.Epoch, err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// maxReport bounds what is read of an answer.
const maxReport = 64 << 20

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 2*maxWait)
	defer cancel()
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	in, err := io.ReadAll(io.LimitReader(resp.Body, maxReport))
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var e struct{ Error struct{ Message string } }
		if json.Unmarshal(in, &e) != nil || e.Error.Message == "" {
			e.Error.Message = resp.Status
		}
		return fmt.Errorf("ask the server: %s", e.Error.Message)
	}
	return json.Unmarshal(in, into)
}

// Write shows a report as a table.
func (r *Report) Write(w io.Writer) error {
	if r.Total == 0 {
		_, err := fmt.Fprintln(w, "Neutron and the database agree.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "KIND\tID\tNAME\tDIFFERENCE\tIN NEUTRON\tHERE")
	revision := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprint(*n)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", d.Kind, d.ID, printable(d.Name), d.What, revision(d.Neutron), revision(d.Here))
	}
	if more := r.Total - len(r.Differences); more > 0 {
		fmt.Fprintf(t, "and %d more\n", more)
	}
	return t.Flush()
}

// printable takes from a name what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
