package config

import (
	"fmt"
	"net"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// setting is one field of a component.
type setting struct {
	key  string
	help string
	// described replaces the default's value on the reference page where that depends on the host.
	described string
	source    string
	value     reflect.Value
}

// settingsOf returns the settings of a component, given by pointer, in the order of its fields.
func settingsOf(component any) []*setting {
	var all []*setting
	whole := reflect.ValueOf(component).Elem()
	for i := range whole.NumField() {
		tag := whole.Type().Field(i).Tag
		all = append(all, &setting{
			key: tag.Get("key"), help: tag.Get("help"), described: tag.Get("default"),
			source: "default", value: whole.Field(i),
		})
	}
	return all
}

// variable is the setting's name in the environment.
func variable(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// prefix begins the name of every variable.
const prefix = "DRAGONFLOW_"

// set changes the value to what a text says, and remembers where the text came from.
func (s *setting) set(text, source string) error {
	value, err := parse(s.value.Type(), text)
	if err != nil {
		return fmt.Errorf("%s: %s %q: %w", source, s.key, text, err)
	}
	s.value.Set(value)
	s.source = source
	return nil
}

// parse turns a text into a value of one of the types that settings have.
func parse(kind reflect.Type, text string) (reflect.Value, error) {
	switch reflect.Zero(kind).Interface().(type) {
	case string:
		return reflect.ValueOf(text), nil
	case bool:
		value, err := strconv.ParseBool(text)
		if err != nil {
			err = fmt.Errorf("must be true or false")
		}
		return reflect.ValueOf(value), err
	case int:
		value, err := strconv.Atoi(text)
		if err != nil {
			err = fmt.Errorf("must be a whole number")
		}
		return reflect.ValueOf(value), err
	case time.Duration:
		value, err := time.ParseDuration(text)
		if err != nil {
			err = fmt.Errorf("must be a time such as 500ms, 10s or 2h")
		}
		return reflect.ValueOf(value), err
	case []string:
		return reflect.ValueOf(words(text)), nil
	}
	return reflect.Value{}, fmt.Errorf("has the type %s, which settings do not have", kind)
}

// words splits a list at its commas.
func words(text string) []string {
	var list []string
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			list = append(list, word)
		}
	}
	return list
}

// text is the value as parse reads it.
func (s *setting) text() string {
	if list, ok := s.value.Interface().([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(s.value.Interface())
}

// flagValue is a setting's flag. It keeps the text until Load has read the weaker sources.
type flagValue struct {
	setting *setting
	text    string
}

// String returns the flag's text.
func (f *flagValue) String() string { return f.text }

// Set keeps a text that can be parsed.
func (f *flagValue) Set(text string) error {
	if _, err := parse(f.setting.value.Type(), text); err != nil {
		return err
	}
	f.text = text
	return nil
}

// Type names the value's type in --help.
func (f *flagValue) Type() string {
	switch f.setting.value.Interface().(type) {
	case []string:
		return "list"
	case time.Duration:
		return "duration"
	}
	return f.setting.value.Kind().String()
}

// isAddress tells whether a text is host:port.
func isAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	return err == nil && number <= 65535
}

// redact hides the password of a URL.
func redact(text string) string {
	return regexp.MustCompile(`(://[^/@:]*:)[^/]*@`).ReplaceAllString(text, "${1}…@")
}
