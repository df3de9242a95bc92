// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"
)

// The man page and the completions name every command and option.
func TestDocsAreComplete(t *testing.T) {
	for file, option := range map[string]string{
		"docs/corten.8": `\-\-`, "docs/completions/corten.bash": "--", "docs/completions/_corten": "--", "docs/completions/corten.fish": "-l ",
	} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		has := func(name string) {
			t.Helper()
			if file == "docs/corten.8" {
				name = strings.ReplaceAll(name, "-", `\-`)
			}
			if !strings.Contains(string(text), option+name) {
				t.Errorf("%s has no --%s", file, name)
			}
		}
		for _, f := range globalFlags() {
			has(f.Names()[0])
		}
		for _, c := range commands {
			if !strings.Contains(string(text), c.name) {
				t.Errorf("%s has no %s", file, c.name)
			}
			for _, f := range c.define().Flags {
				has(f.Names()[0])
			}
		}
	}
}
