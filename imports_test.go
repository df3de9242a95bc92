// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows are the only imports of corten's packages among themselves.
var arrows = map[string][]string{
	"corten":          {"libcontainer", "signals", "seccomp", "nsenter/entry", "nsenter/plan"},
	"libcontainer":    {"rootfs", "seccomp", "cgroups", "nsenter", "nsenter/plan", "signals"},
	"rootfs":          {"nsenter/plan"},
	"seccomp":         {"nsenter/plan", "nsenter/program"},
	"cgroups":         {"nsenter/plan", "nsenter/program"},
	"nsenter":         {"nsenter/entry", "nsenter/plan", "nsenter/program"},
	"nsenter/entry":   nil,
	"nsenter/plan":    nil,
	"nsenter/program": nil,
	"signals":         {"nsenter/entry"},
}

// What `make` builds has nothing in it that sets up more than it uses.
func TestNoHelpOfTheLibraryIsBuiltIn(t *testing.T) {
	if out, err := exec.Command("patches/modules", "build/imports").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	defer os.RemoveAll("build/imports")
	out, err := exec.Command("go", "list", "-modfile", "build/imports/go.mod", "-deps", "-tags", "urfave_cli_no_docs", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, costly := range []string{"text/template", "net/url", "net/netip", "unique", "github.com/xrash/smetrics"} {
		if slices.Contains(strings.Fields(string(out)), costly) {
			t.Errorf("%s is built in", costly)
		}
	}
}

// With this version of Go, all of its runtime's lines are found.
func TestWhatGoDoesAtTheStart(t *testing.T) {
	defer os.RemoveAll("build/runtime-test")
	out, err := exec.Command("patches/runtime", "build/runtime-test").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestImportArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-tags", "urfave_cli_no_docs", "-f", `{{.ImportPath}} {{.CgoFiles}} {{range .Imports}}{{.}} {{end}}`, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		from := strings.TrimPrefix(fields[0], "corten/")
		if from == fields[0] && from != "corten" {
			continue
		}
		if fields[1] != "[]" {
			t.Errorf("%s uses cgo", from)
		}
		allowed, known := arrows[from]
		if !known {
			t.Errorf("%s is in no place of the house", from)
		}
		for _, to := range fields[2:] {
			if name, ours := strings.CutPrefix(to, "corten/"); ours && !slices.Contains(allowed, name) {
				t.Errorf("%s imports %s", from, name)
			}
			if to == "os/signal" || to == "net" || to == "crypto/tls" {
				t.Errorf("%s imports %s, which costs time at start", from, to)
			}
		}
	}
}
