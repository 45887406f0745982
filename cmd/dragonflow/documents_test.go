package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentsNameCommandsThatExist reads every document of the repository for commands of ours, in
// code or at the start of a line.
func TestDocumentsNameCommandsThatExist(t *testing.T) {
	command := regexp.MustCompile("(?m)(?:`|bin/|^ *)dragonflow ([a-z][a-z-]+)")
	known := map[string]bool{"completion": true, "help": true} // added when the root runs
	for _, c := range rootCommand(&host{}).Commands() {
		known[c.Name()] = true
	}
	seen := 0
	err := fs.WalkDir(os.DirFS("../.."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".md" || strings.HasPrefix(path, ".") {
			return err
		}
		data, err := fs.ReadFile(os.DirFS("../.."), path)
		if err != nil {
			return err
		}
		for _, match := range command.FindAllStringSubmatch(string(data), -1) {
			seen++
			if !known[match[1]] {
				t.Errorf("%s names dragonflow %s, which does not exist", path, match[1])
			}
		}
		return nil
	})
	if err != nil || seen == 0 {
		t.Errorf("saw %d commands: %v", seen, err)
	}
}
