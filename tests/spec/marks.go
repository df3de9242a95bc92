// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
)

// Test is a test function of the suites that run real containers.
type Test struct {
	Dir  string // of its package, relative to the repository
	Name string
}

// Marks finds the tests below dir whose doc comments have lines that begin
// with word, as in
//
//	// spec: process.umask, process.user.uid
//
// and gives for each thing named there the tests that name it, in the order
// of their files.
func Marks(root, dir, word string) (map[string][]Test, error) {
	marks := map[string][]Test{}
	err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		at, err := filepath.Rel(root, filepath.Dir(path))
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Test") {
				continue
			}
			for _, name := range named(f.Doc, word) {
				marks[name] = append(marks[name], Test{at, f.Name.Name})
			}
		}
		return err
	})
	return marks, err
}

func named(doc *ast.CommentGroup, word string) (names []string) {
	if doc == nil {
		return nil
	}
	for _, c := range doc.List {
		list, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(c.Text, "//")), word+":")
		if !ok {
			continue
		}
		for _, name := range strings.Split(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}
