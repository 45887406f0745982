package cloud

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dragonflow/dragonflow/internal/lab"
)

const (
	novaAddress = "192.0.2.254:8775"
	novaSecret  = "between Nova and the chassis"
)

// nova is a metadata server on the management network, which checks what Nova checks and tells an instance its id.
type nova struct {
	server *http.Server
	ended  chan struct{}
}

// StartNova starts a metadata server and returns the flags of chassis that are to ask it.
func (c *Cloud) StartNova(ctx context.Context) (flags []string, err error) {
	file := filepath.Join(c.Dir, "nova-secret")
	if err := os.WriteFile(file, []byte(novaSecret), 0o600); err != nil {
		return nil, err
	}
	l, err := c.Fabric.Listen(ctx, "tcp", novaAddress)
	if err != nil {
		return nil, err
	}
	n := &nova{server: &http.Server{Handler: http.HandlerFunc(believe), ReadHeaderTimeout: Patience}, ended: make(chan struct{})}
	go n.serve(l)
	c.nova = n
	return []string{"--metadata-nova-url", "http://" + novaAddress, "--metadata-secret-file", file}, nil
}

func (n *nova) serve(l net.Listener) {
	defer close(n.ended)
	_ = n.server.Serve(l) // it ends when it is closed
}

func (n *nova) close() error {
	err := n.server.Close()
	<-n.ended
	return err
}

func believe(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Instance-ID")
	mac := hmac.New(sha256.New, []byte(novaSecret))
	mac.Write([]byte(id))
	if id == "" || r.Header.Get("X-Tenant-ID") == "" || r.Header.Get("X-Forwarded-For") == "" ||
		!hmac.Equal([]byte(hex.EncodeToString(mac.Sum(nil))), []byte(r.Header.Get("X-Instance-ID-Signature"))) {
		http.Error(w, "Invalid proxy request signature.", http.StatusForbidden)
		return
	}
	_, _ = io.WriteString(w, id) // the chassis may be gone
}

// The addresses of the metadata service, for guests.
const (
	Metadata4 = "169.254.169.254:80"
	Metadata6 = "[fe80::a9fe:a9fe%" + lab.Interface + "]:80"
)

// WhoAmI asks the metadata service at an address for the instance's id.
func WhoAmI(ctx context.Context, guest lab.Sockets, address string) (string, error) {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := guest.Dial(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // it was read
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://169.254.169.254/instance-id", nil)
	if err != nil {
		return "", err
	}
	request.Close = true
	if err := request.Write(conn); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }() // read
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(body)))
	}
	return string(body), err
}
