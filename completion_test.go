// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What bash offers for a command line whose last word is not finished.
func TestBashCompletes(t *testing.T) {
	for line, want := range map[string]string{
		"corten cre":                         "create",
		"corten --log-format j":              "json",
		"corten --root /tmp --log x list --": "--format --quiet --help",
		"corten list -f t":                   "table",
		"corten run --bundle /us":            "/usr",
		"corten state ":                      "one two",
		"corten --root /elsewhere kill t":    "two",
		"corten kill --":                     "--all --help",
	} {
		script := `. docs/completions/corten.bash
corten() { echo one two; }
read -ra COMP_WORDS <<<"$1"
[[ $1 != *" " ]] || COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_corten
echo "${COMPREPLY[@]}"`
		out, err := exec.Command("bash", "-c", script, "bash", line).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v %s", line, err, out)
		}
		// Options may be added; those of the table must be there.
		got := strings.Fields(string(out))
		for word := range strings.FieldsSeq(want) {
			if !slices.Contains(got, word) {
				t.Errorf("%s: offers %q, want %q among it", line, got, word)
			}
		}
	}
}

// The completions of the other shells are programs of those shells.
func TestCompletionsParse(t *testing.T) {
	for shell, file := range map[string]string{"zsh": "_corten", "fish": "corten.fish", "bash": "corten.bash"} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				t.Skip("the package " + shell + " is not installed")
			}
			if out, err := exec.Command(shell, "-n", "docs/completions/"+file).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	if _, err := exec.LookPath("fish"); err != nil {
		return
	}
	out, err := exec.Command("fish", "--no-config", "-c", "source docs/completions/corten.fish; complete -C 'corten cre'; complete -C 'corten list --f'").Output()
	if err != nil || !strings.HasPrefix(string(out), "create\t") || !strings.Contains(string(out), "--format\t") {
		t.Errorf("fish offers %q, %v", out, err)
	}
}
