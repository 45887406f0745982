package real

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

const (
	novaAddress = "192.0.2.254:8775"
	novaSecret  = "between Nova and the chassis"
)

// startNova has a metadata server on the management network, which checks what Nova checks and tells an instance its
// id. The chassis that follow know of it.
func (p *Platform) startNova(ctx context.Context) error {
	file := filepath.Join(p.Cloud.Dir, "nova-secret")
	if err := os.WriteFile(file, []byte(novaSecret), 0o600); err != nil {
		return err
	}
	l, err := p.Cloud.Fabric.Listen(ctx, "tcp", novaAddress)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(believe)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // it ends when it is closed
	}()
	p.stopNova = func() error {
		err := server.Close()
		<-ended
		return err
	}
	p.flags = []string{"--metadata-nova-url", "http://" + novaAddress, "--metadata-secret-file", file}
	return nil
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
