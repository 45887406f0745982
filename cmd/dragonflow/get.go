package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dragonflow/dragonflow/internal/config"
	"github.com/dragonflow/dragonflow/internal/northbound"
	"github.com/dragonflow/dragonflow/internal/operate/objects"
)

func getCommand(h *host) *cobra.Command {
	settings, f := config.Default(), &form{}
	command := &cobra.Command{
		Use:     "get KIND [NAME]",
		GroupID: groupLook,
		Short:   "list objects, from the API or with --db from the database",
		Long:    "Lists the objects of a kind, or shows the one with a name or id. Kinds are " + kindWords() + ".",
		Example: `  dragonflow get ports
  dragonflow get port web1
  dragonflow get chassis --db etcd://10.0.0.1:2379 -o json`,
		Args: cobra.RangeArgs(1, 2),
	}
	f.bind(command)
	command.RunE = func(_ *cobra.Command, args []string) error {
		kind, err := objects.ParseKind(args[0])
		if err != nil {
			return &usageError{err}
		}
		name := ""
		if len(args) > 1 {
			name = args[1]
		}
		list, err := listObjects(command, settings, kind, name)
		if err != nil {
			return err
		}
		if name != "" && len(list) == 0 {
			return fmt.Errorf("no %s has the id or name %q", kind.Word, name)
		}
		return f.write(h.out, list, func(w io.Writer) error { return objects.Write(w, kind, list, name != "") })
	}
	return withSettings(h, command, settings, &settings.Database, &settings.API)
}

func kindWords() string {
	var words []string
	for _, k := range objects.Kinds() {
		words = append(words, k.Word)
	}
	return strings.Join(words, ", ")
}

// listObjects asks the database if the command line names one, else the API.
func listObjects(command *cobra.Command, settings *config.Config, kind objects.Kind, name string) ([]objects.Object, error) {
	if !command.Flags().Changed("db") {
		api, err := apiOf(settings.API)
		if err != nil {
			return nil, err
		}
		return api.List(command.Context(), kind, name)
	}
	return listStored(command.Context(), settings, kind, name)
}

func listStored(ctx context.Context, settings *config.Config, kind objects.Kind, name string) (list []objects.Object, err error) {
	err = withStore(ctx, settings, func(store *northbound.Store) error {
		list, err = objects.FromDatabase(ctx, store, kind, name)
		return err
	})
	return list, err
}

// apiOf is the API that the settings of a server on this host describe.
func apiOf(s config.API) (objects.API, error) {
	api := objects.API{URL: s.Listen}
	if !strings.HasPrefix(s.Listen, "unix:") {
		api.URL = "http://" + s.Listen
	}
	if s.TokenFile != "" {
		token, err := os.ReadFile(s.TokenFile)
		if err != nil {
			return api, fmt.Errorf("api-token-file: %w", err)
		}
		api.Token = strings.TrimSpace(string(token))
	}
	if s.Cert == "" {
		return api, nil
	}
	pem, err := os.ReadFile(s.Cert)
	if err != nil {
		return api, fmt.Errorf("api-cert: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	roots.AppendCertsFromPEM(pem)
	api.URL = "https://" + s.Listen
	api.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	return api, nil
}
