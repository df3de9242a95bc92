// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/man and docs/completions anew")

// The man pages and completions are what the table of commands makes of them:
// after a change of it, `go test . -run Docs -update`.
func TestDocsAreThoseOfTheTable(t *testing.T) {
	want := map[string]string{
		"docs/completions/corten.bash": bashCompletion(),
		"docs/completions/_corten":     zshCompletion(),
		"docs/completions/corten.fish": fishCompletion(),
		"docs/man/corten.1":            generalPage(read("docs/man/corten.1")),
	}
	for _, known := range commands {
		page := "docs/man/corten-" + known.name + ".1"
		want[page] = commandPage(known.define(), read(page))
	}
	for file, text := range want {
		if read(file) == text {
			continue
		}
		if !*update {
			t.Errorf("%s is not what the table of commands makes of it: go test . -run Docs -update", file)
		} else if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	pages, _ := filepath.Glob("docs/man/*")
	for _, page := range pages {
		if want[page] == "" {
			t.Errorf("%s belongs to no command", page)
		}
	}
}

// read is the text of a file, "" if there is none.
func read(file string) string {
	text, _ := os.ReadFile(file)
	return string(text)
}

// A terminal of 24 lines shows what there is.
func TestHelpFitsAScreen(t *testing.T) {
	lines := strings.Split(strings.TrimSuffix(overview(), "\n"), "\n")
	if len(lines) > 24 {
		t.Errorf("corten --help has %d lines", len(lines))
	}
	for _, known := range commands {
		if c := known.define(); len("  ")+len(pad(c.Name, 11))+len(c.Usage) >= screen/2 {
			t.Errorf("%s: %q is too long for half a line", c.Name, c.Usage)
		}
		lines = append(lines, strings.Split(commandHelp(known.define()), "\n")...)
	}
	for _, line := range lines {
		if len(line) > screen {
			t.Errorf("help has a line of %d characters: %q", len(line), line)
		}
	}
}
