package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/spf13/pflag"
)

// maxFileSize bounds the configuration file, in bytes.
const maxFileSize = 1 << 20

// loadFile reads the file that the flag, the environment or nobody names. A file that somebody names
// must exist.
func (c *Config) loadFile(flags *pflag.FlagSet, environ []string) error {
	isNamed := false
	for _, entry := range environ {
		if name, ok := strings.CutPrefix(entry, variable("config")+"="); ok {
			c.file, isNamed = name, true
		}
	}
	if name, err := flags.GetString("config"); err == nil && flags.Changed("config") {
		c.file, isNamed = name, true
	}
	data, err := os.ReadFile(c.file)
	if errors.Is(err, fs.ErrNotExist) && !isNamed {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the settings: %w", err)
	}
	return c.parseFile(c.file, data)
}

// parseFile takes the settings from the text of a file, which is a flat mapping of keys to plain values
// or lists of them.
func (c *Config) parseFile(name string, data []byte) error {
	if len(data) > maxFileSize {
		return fmt.Errorf("%s: longer than %d bytes", name, maxFileSize)
	}
	document, err := parser.ParseBytes(data, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var errs []error
	for _, part := range document.Docs {
		if part.Body == nil || part.Body.Type() == ast.NullType {
			continue
		}
		if len(document.Docs) > 1 {
			return fmt.Errorf("%s: holds several documents", name)
		}
		mapping, ok := part.Body.(*ast.MappingNode)
		if !ok {
			return fmt.Errorf("%s: must be lines of the form KEY: VALUE", name)
		}
		for _, entry := range mapping.Values {
			errs = append(errs, c.parseEntry(name, entry))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) parseEntry(file string, entry *ast.MappingValueNode) error {
	token := entry.Key.GetToken()
	source := fmt.Sprintf("%s:%d", file, token.Position.Line)
	s := c.find(token.Value)
	if s == nil {
		asIs := func(key string) string { return key }
		return c.unknown(source, token.Value, token.Value, asIs)
	}
	text, ok := plain(entry.Value)
	if list, isList := entry.Value.(*ast.SequenceNode); isList {
		text, ok = joined(list)
	}
	if !ok {
		return fmt.Errorf("%s: %s must have a plain value", source, s.key)
	}
	return s.set(text, source)
}

// plain returns the text of a scalar, as it is written.
func plain(node ast.Node) (string, bool) {
	switch node := node.(type) {
	case *ast.StringNode:
		return node.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, true
	}
	return "", false
}

// joined returns a list of scalars as words reads it.
func joined(list *ast.SequenceNode) (string, bool) {
	var parts []string
	for _, node := range list.Values {
		text, ok := plain(node)
		if !ok || strings.Contains(text, ",") {
			return "", false
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ","), true
}

// loadEnvironment takes the settings from the variables that begin with our prefix.
func (c *Config) loadEnvironment(environ []string) error {
	var errs []error
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		rest, isOurs := strings.CutPrefix(name, prefix)
		if !isOurs || name == variable("config") {
			continue
		}
		key := strings.ReplaceAll(strings.ToLower(rest), "_", "-")
		if s := c.find(key); s != nil && name == variable(key) {
			errs = append(errs, s.set(text, name))
		} else {
			errs = append(errs, c.unknown("environment", name, key, variable))
		}
	}
	return errors.Join(errs...)
}
