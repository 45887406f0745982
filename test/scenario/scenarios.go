package scenario

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:embed scenarios/*.txt
var texts embed.FS

// All returns the repository's scenarios by name, not parsed.
func All() (map[string]string, error) {
	files, err := fs.Glob(texts, "scenarios/*.txt")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, file := range files {
		text, err := texts.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all[strings.TrimSuffix(path.Base(file), ".txt")] = string(text)
	}
	return all, nil
}
