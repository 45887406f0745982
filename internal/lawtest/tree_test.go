package lawtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// module is the import path of the repository's root.
const module = "github.com/dragonflow/dragonflow"

// tree is what the laws look at: every Go file of the repository, parsed, and every other text by path.
type tree struct {
	fset  *token.FileSet
	files []*source
	texts map[string]string
}

// source is one Go file. Its identifiers are resolved within the file only.
type source struct {
	path string
	dir  string
	data []byte
	*ast.File
}

// isTest tells whether the file is compiled for tests only.
func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// lines counts the lines of the file.
func (s *source) lines() int { return bytes.Count(s.data, []byte("\n")) }

// called returns the import path by which the file knows the package name, or "". A name that the file
// declares itself is no package.
func (s *source) called(name *ast.Ident) string {
	if name.Obj != nil {
		return ""
	}
	for _, spec := range s.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		local := path.Base(p)
		if strings.Trim(local, "v0123456789") == "" {
			local = path.Base(path.Dir(p)) // a major version is no name
		}
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == name.Name {
			return p
		}
	}
	return ""
}

// calls returns package and function for a call such as time.Sleep(1).
func (s *source) calls(n ast.Node) (pkg, function string) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return "", ""
	}
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	name, ok := selector.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	return s.called(name), selector.Sel.Name
}

// skipped are folders that hold nothing of ours, or other languages' modules.
func skipped(name string) bool {
	return slices.Contains([]string{"bin", "testdata", "node_modules", "vendor", "web"}, name) ||
		len(name) > 1 && name[0] == '.' && name != ".ci"
}

// load reads a repository. Files that do not parse are the compiler's business and an error here.
func load(root fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), texts: map[string]string{}}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skipped(entry.Name()):
			return fs.SkipDir
		case !entry.Type().IsRegular():
			return nil
		}
		return t.add(root, name)
	})
	return t, err
}

func (t *tree) add(root fs.FS, name string) error {
	extension := path.Ext(name)
	if extension != ".go" && extension != ".md" && extension != "" {
		t.texts[name] = "" // only that it exists matters
		return nil
	}
	data, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	t.texts[name] = string(data)
	if extension != ".go" {
		return nil
	}
	file, err := parser.ParseFile(t.fset, name, data, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	t.files = append(t.files, &source{path: name, dir: path.Dir(name), data: data, File: file})
	return nil
}

// product returns the files that go into the binary.
func (t *tree) product() []*source {
	return slices.DeleteFunc(slices.Clone(t.files), func(s *source) bool { return s.isTest() })
}

// at renders the position of a node as file:line.
func (t *tree) at(n ast.Node) string {
	position := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", position.Filename, position.Line)
}

// example builds a tree out of text: a line "-- path --" starts each file.
func example(tb testing.TB, text string) *tree {
	tb.Helper()
	files := fstest.MapFS{}
	name := ""
	for line := range strings.Lines(strings.TrimPrefix(text, "\n")) {
		if inner, ok := strings.CutPrefix(strings.TrimSpace(line), "-- "); ok {
			name = strings.TrimSuffix(inner, " --")
			files[name] = &fstest.MapFile{}
			continue
		}
		files[name].Data = append(files[name].Data, line...)
	}
	t, err := load(files)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}
