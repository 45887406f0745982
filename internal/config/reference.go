package config

import (
	"fmt"
	"strings"
)

// Reference returns the reference page of all settings, in Markdown.
func Reference() string {
	var page strings.Builder
	page.WriteString(`# Settings

<!-- Generated from internal/config by its test; make golden writes it anew. -->

Every setting can stand in one YAML file (--config FILE, else ` + "`" + DefaultFile + "`" + ` if it exists), in a variable of the
environment, and on the command line: the key ` + "`db-prefix`" + ` is the variable ` + "`" + variable("db-prefix") + "`" + ` and the flag
` + "`--db-prefix`" + `. Flags beat environment beats file. What nobody knows is refused, with the nearest known name. One file may hold
the settings of all daemons of a host. ` + "`dragonflow config`" + ` shows what a file, the environment and the flags come to, and where each
value comes from.
`)
	for _, component := range Default().Components() {
		fmt.Fprintf(&page, "\n## %s\n\n| key | default | meaning |\n|---|---|---|\n", component.title())
		for _, s := range settingsOf(component) {
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", s.key, s.defaultCell(), strings.ReplaceAll(s.help, "|", "\\|"))
		}
	}
	return page.String()
}

// defaultCell renders the default for the reference page.
func (s *setting) defaultCell() string {
	if s.described != "" {
		return s.described
	}
	return "`" + s.text() + "`"
}

// Example returns a configuration file that sets nothing and shows everything.
func Example() string {
	var file strings.Builder
	file.WriteString("# Settings of Dragonflow; what stands here are the defaults.\n")
	file.WriteString("# Every key is also a flag (--key) and a variable (DRAGONFLOW_KEY); flags beat variables beat this file.\n")
	for _, s := range Default().settings {
		fmt.Fprintf(&file, "\n# %s\n", s.help)
		if s.described != "" {
			fmt.Fprintf(&file, "# default: %s\n#%s:\n", s.described, s.key)
		} else {
			fmt.Fprintf(&file, "#%s: %s\n", s.key, s.text())
		}
	}
	return file.String()
}
