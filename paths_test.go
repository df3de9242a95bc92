// SPDX-License-Identifier: Apache-2.0

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A path below a root that is not trusted is resolved once, by the executor, with
// openat2(RESOLVE_IN_ROOT), and is a descriptor from then on (P1). So no Go code
// joins the root's path with another, and package rootfs, which plans what is
// done there, touches no file at all.
func TestNoPathIsMadeBelowARoot(t *testing.T) {
	files, err := filepath.Glob("*/*.go")
	if err != nil || len(files) < 100 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		tree, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			if why := forbidden(n, filepath.Dir(file) == "rootfs"); why != "" {
				t.Errorf("%s: %s", set.Position(n.Pos()), why)
			}
			return true
		})
	}
}

func forbidden(n ast.Node, inRootfs bool) string {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if n.Op == token.ADD && (isRoot(n.X) || isRoot(n.Y)) {
			return "a path is made of the root's"
		}
	case *ast.CallExpr:
		f, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return ""
		}
		where, _ := f.X.(*ast.Ident)
		if where != nil && inRootfs && (where.Name == "os" || where.Name == "unix" || where.Name == "syscall") && f.Sel.Name != "Mkdev" {
			return where.Name + "." + f.Sel.Name + " in a package that only plans"
		}
		for _, arg := range n.Args {
			if f.Sel.Name == "Join" && isRoot(arg) {
				return "a path is made of the root's"
			}
		}
	}
	return ""
}

// isRoot reports whether an expression is the path of a container's root.
func isRoot(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.CallExpr:
		name, ok := e.Fun.(*ast.Ident)
		return ok && name.Name == "rootPath"
	case *ast.SelectorExpr:
		of, ok := e.X.(*ast.SelectorExpr)
		return e.Sel.Name == "Rootfs" || ok && of.Sel.Name == "Root" && e.Sel.Name == "Path"
	}
	return false
}

// The same in the executor: its system calls take a descriptor, or a name in the
// directory of one. Those that take a path do so where there is no other root any
// more, or have one that is not below it.
func TestTheExecutorsCallsTakeDescriptors(t *testing.T) {
	allowed := map[string]string{
		"ops_mount.c: umount2": "the old root, by its place below the new", "ops_mount.c: pivot_root": "both are .",
		"ops_mount.c: mount": "has no source and no type: it changes what is mounted at /",
	}
	paths := regexp.MustCompile(`SYS(?:_LONG)?\((open|creat|mkdir|mknod|mount|unlink|rmdir|symlink|link|rename|chmod|chown|lchown|stat|lstat|readlink|access|truncate|utimes?|umount2|pivot_root|setxattr|getxattr|statfs)\b`)
	files, err := filepath.Glob("nsenter/executor/*.c")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range paths.FindAllStringSubmatch(string(text), -1) {
			if where := filepath.Base(file) + ": " + call[1]; allowed[where] == "" {
				t.Errorf("%s takes a path", where)
			}
		}
	}
}
