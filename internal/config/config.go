// Package config holds every setting of Dragonflow: one struct for each component, with the defaults in
// code, filled from one YAML file, the environment and the command line.
//
// A setting has one name everywhere: the key "db-prefix" is the flag --db-prefix and the variable
// DRAGONFLOW_DB_PREFIX. Flags beat environment beats file beats default. What nobody knows is refused,
// with the nearest known name. The file may hold the settings of all components, since a host may run
// several daemons; each daemon checks the values of those that it uses.
//
// To add a setting, add a field with its tags to a component; flag, variable and reference page follow.
package config

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
)

// DefaultFile is where the settings are read from unless --config or DRAGONFLOW_CONFIG says otherwise.
// It may be missing.
const DefaultFile = "/etc/dragonflow/dragonflow.yaml"

// Config is all settings. It is filled once, by [Config.Load], and only read after that.
type Config struct {
	Process     Process
	Database    Database
	API         API
	Neutron     Neutron
	Networks    Networks
	Chassis     Chassis
	Guests      Guests
	Metadata    Metadata
	SecurityLog SecurityLog

	settings []*setting
	flags    []*flagValue
	file     string
	used     []Component
}

// Component is one of Config's structs.
type Component interface {
	// title heads the component on the reference page.
	title() string
	// problems reports every value that cannot be used, by key.
	problems() map[string]string
}

// Components returns all of them, for Bind.
func (c *Config) Components() []Component {
	return []Component{&c.Process, &c.Database, &c.API, &c.Neutron, &c.Networks, &c.Chassis, &c.Guests, &c.Metadata, &c.SecurityLog}
}

// Default returns the settings as they are when nobody has set anything.
func Default() *Config {
	c := &Config{
		Process:     defaultProcess(),
		Database:    defaultDatabase(),
		API:         defaultAPI(),
		Networks:    defaultNetworks(),
		Chassis:     defaultChassis(),
		Guests:      defaultGuests(),
		SecurityLog: defaultSecurityLog(),
		file:        DefaultFile,
	}
	for _, component := range c.Components() {
		c.settings = append(c.settings, settingsOf(component)...)
	}
	return c
}

// Bind adds --config and a flag for each setting of the given components, which are pointers to fields
// of this Config. Only their values are checked by Load.
func (c *Config) Bind(flags *pflag.FlagSet, components ...Component) {
	flags.String("config", DefaultFile, "file with settings")
	for _, used := range components {
		c.used = append(c.used, used)
		for _, s := range settingsOf(used) {
			value := &flagValue{setting: c.find(s.key), text: s.text()}
			c.flags = append(c.flags, value)
			flags.Var(value, s.key, s.help)
		}
	}
}

// Load fills the settings from file, environment (as os.Environ has it) and the flags that Bind has
// added and the command line has set. It reports everything that is wrong at once.
func (c *Config) Load(flags *pflag.FlagSet, environ []string) error {
	errs := []error{c.loadFile(flags, environ), c.loadEnvironment(environ)}
	for _, value := range c.flags {
		if flags.Changed(value.setting.key) {
			errs = append(errs, value.setting.set(value.text, "--"+value.setting.key))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return c.check()
}

// check reports every unusable value of the components in use, with the place where it was set.
func (c *Config) check() error {
	var errs []error
	for _, used := range c.used {
		problems := used.problems()
		for _, s := range settingsOf(used) {
			if problem := problems[s.key]; problem != "" {
				origin := c.find(s.key)
				errs = append(errs, fmt.Errorf("%s: %s %q %s", origin.source, s.key, s.text(), problem))
			}
		}
	}
	return errors.Join(errs...)
}

// find returns the setting of a key, or nil.
func (c *Config) find(key string) *setting {
	for _, s := range c.settings {
		if s.key == key {
			return s
		}
	}
	return nil
}

// unknown explains that a name is no setting.
func (c *Config) unknown(source, name, key string, spell func(string) string) error {
	keys := make([]string, 0, len(c.settings))
	for _, s := range c.settings {
		keys = append(keys, s.key)
	}
	if nearest := Nearest(key, keys); nearest != "" {
		return fmt.Errorf("%s: unknown setting %s; did you mean %s?", source, name, spell(nearest))
	}
	return fmt.Errorf("%s: unknown setting %s; dragonflow config lists those that exist", source, name)
}

// Row is one setting as it came out.
type Row struct {
	// Key is the setting's name.
	Key string
	// Value is its value as text, without passwords.
	Value string
	// Source is "default", file:line, a variable's name or a flag.
	Source string
}

// Rows lists all settings in the order of the reference page.
func (c *Config) Rows() []Row {
	rows := make([]Row, 0, len(c.settings))
	for _, s := range c.settings {
		rows = append(rows, Row{s.key, redact(s.text()), s.source})
	}
	return rows
}
