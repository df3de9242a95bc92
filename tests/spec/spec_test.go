// SPDX-License-Identifier: Apache-2.0

package spec

import (
	"flag"
	"os"
	"slices"
	"testing"
)

const (
	root     = "../.."
	document = root + "/docs/spec.md"
)

var update = flag.Bool("update", false, "write docs/spec.md anew")

// docs/spec.md has a row for every field of the runtime-spec, and names the
// tests that are marked with it.
func TestEveryFieldHasItsRow(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Rows(string(text))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := Marks(root, "tests", "spec")
	if err != nil {
		t.Fatal(err)
	}
	table := Table(string(text), rows, tests)
	if *update {
		if err := os.WriteFile(document, []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if table != string(text) {
		t.Error("docs/spec.md is not up to date: go test ./tests/spec -update")
	}
	all := Fields()
	for field, by := range tests {
		if !slices.Contains(all, field) {
			t.Errorf("%s is marked with %s, which the specification has not", by[0].Name, field)
		}
	}
	for field := range rows {
		if !slices.Contains(all, field) {
			t.Errorf("docs/spec.md has a row for %s, which the specification has not", field)
		}
	}
}
