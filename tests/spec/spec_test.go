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

// Every field of the runtime-spec has a row in docs/spec.md that says what
// corten does, and a test on a real container. Only the sections of other
// platforms have none.
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
	for _, field := range all {
		if rows[field].Does == "" {
			t.Errorf("docs/spec.md does not say what corten does with %s", field)
		}
		if len(tests[field]) == 0 {
			t.Errorf("no test is marked `spec: %s`", field)
		}
	}
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
