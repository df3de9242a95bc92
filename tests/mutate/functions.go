// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// compilers are the packages that append steps, or limits, to a plan.
var compilers = []string{"libcontainer", "rootfs", "cgroups"}

// functions disables every function of the compilers that appends steps.
func (m *mutation) functions() error {
	ops, err := operations("nsenter/plan/ops_gen.go")
	if err != nil {
		return err
	}
	for _, dir := range compilers {
		fset := token.NewFileSet()
		packages, err := parser.ParseDir(fset, dir, func(i fs.FileInfo) bool { return !strings.HasSuffix(i.Name(), "_test.go") }, 0)
		if err != nil {
			return err
		}
		for _, p := range packages {
			for path, file := range p.Files {
				for _, decl := range file.Decls {
					f, ok := decl.(*ast.FuncDecl)
					if name := dir + "." + functionName(decl); ok && appends(f, ops) && m.want.MatchString(name) {
						if err := m.disable(name, path, fset, f); err != nil {
							return err
						}
					}
				}
			}
		}
	}
	return nil
}

// operations are the names of the Builder's generated methods, one an op.
func operations(path string) (map[string]bool, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		return nil, err
	}
	ops := map[string]bool{}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.IsExported() {
			ops[f.Name.Name] = true
		}
	}
	return ops, nil
}

// appends says whether f compiles something: by its name or because it calls
// a Builder's operation.
func appends(f *ast.FuncDecl, ops map[string]bool) (found bool) {
	if f.Body == nil || f.Name.Name == "Compile" || f.Name.Name == "CompileExec" {
		return false
	}
	if strings.HasPrefix(f.Name.Name, "compile") {
		return true
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && ops[s.Sel.Name] && strings.HasSuffix(text(s.X), "b") {
			found = true
		}
		return !found
	})
	return found
}

// disable builds corten with a function that returns at once, and runs the
// tests until one fails.
func (m *mutation) disable(name, path string, fset *token.FileSet, f *ast.FuncDecl) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	at := fset.Position(f.Body.Lbrace).Offset + 1
	mutant := string(source[:at]) + " if true { return " + zeros(f.Type.Results) + " };" + string(source[at:])
	file, overlay, corten := filepath.Join(m.dir, "mutant.go"), filepath.Join(m.dir, "overlay.json"), filepath.Join(m.dir, "corten")
	if err := os.WriteFile(file, []byte(mutant), 0o644); err != nil {
		return err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	j, err := json.Marshal(map[string]map[string]string{"Replace": {absolute: file}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(overlay, j, 0o644); err != nil {
		return err
	}
	if err := run("env", "CGO_ENABLED=0", "go", "build", "-tags", "urfave_cli_no_docs", "-overlay", overlay, "-o", corten, "."); err != nil {
		return err
	}
	m.verdict(name, m.missed(corten, words(f.Name.Name+" "+strings.TrimSuffix(filepath.Base(path), ".go"))))
	return nil
}

// missed is the first test that fails with the runtime. Those that speak of the
// same things as the function are run before the others: that saves hours.
func (m *mutation) missed(corten string, words []string) string {
	for _, near := range [...]bool{true, false} {
		for _, suite := range suites {
			tests := "."
			if near {
				tests = m.near(suite, words)
			}
			if tests == "" {
				continue
			}
			if failed := m.failing(suite, corten, tests, "-test.failfast"); failed != nil {
				return failed[0]
			}
		}
	}
	return ""
}

// near matches the tests of a suite whose names or fields have one of the words.
func (m *mutation) near(suite string, words []string) string {
	texts := map[string]string{}
	for _, name := range m.tests[suite] {
		texts[name] = name
	}
	for field, tests := range m.marks {
		for _, t := range tests {
			if t.Dir == suite {
				texts[t.Name] += " " + field
			}
		}
	}
	var names []string
	for name, text := range texts {
		text = strings.ToLower(text)
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) }) {
			names = append(names, name)
		}
	}
	if names == nil {
		return ""
	}
	return "^(" + strings.Join(names, "|") + ")$"
}

// words are those of a name in camel case that tell something, in singular.
func words(name string) (list []string) {
	start := 0
	for i, r := range name + " " {
		if i > 0 && (r == ' ' || r == '_' || unicode.IsUpper(r)) {
			if w := strings.TrimRight(strings.ToLower(strings.Trim(name[start:i], " _")), "s"); len(w) > 2 && w != "compile" && w != "add" && w != "row" {
				list = append(list, w)
			}
			start = i
		}
	}
	return list
}

func zeros(results *ast.FieldList) string {
	var list []string
	if results != nil {
		for _, r := range results.List {
			for range max(1, len(r.Names)) {
				list = append(list, fmt.Sprintf("*new(%s)", text(r.Type)))
			}
		}
	}
	return strings.Join(list, ", ")
}

func functionName(decl ast.Decl) string {
	f, ok := decl.(*ast.FuncDecl)
	if !ok {
		return ""
	}
	if f.Recv != nil {
		return strings.Trim(text(f.Recv.List[0].Type), "*") + "." + f.Name.Name
	}
	return f.Name.Name
}

func text(n ast.Node) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), n); err != nil {
		return ""
	}
	return b.String()
}
