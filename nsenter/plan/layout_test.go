// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// buildC makes a program of executor/test and returns its path.
func buildC(t *testing.T, name string) string {
	t.Helper()
	for _, tool := range []string{"make", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs the package " + tool)
		}
	}
	dir := t.TempDir()
	cmd := exec.Command("make", "-s", "-C", "../executor", "CC=gcc", "BUILD="+dir, filepath.Join(dir, name))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, name)
}

// What this package writes is what plan.h and ops.def say to a C compiler.
func TestLayout(t *testing.T) {
	out, err := exec.Command(buildC(t, "layout")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	line := func(name string, n uint64) { fmt.Fprintf(&want, "%s %d\n", name, n) }
	line("plan_header", headerSize)
	line("plan_header.magic", 0)
	line("plan_header.size", 4)
	line("plan_header.vocabulary", 8)
	line("plan_header.nsteps", 16)
	line("plan_header.ninputs", 20)
	line("plan_header.pointers", 24)
	line("plan_header.stamps", 28)
	line("plan_step", stepSize)
	line("plan_step.op", 0)
	line("plan_step.flags", 2)
	line("plan_step.when", 4)
	line("plan_step.reserved", 6)
	line("plan_step.tolerate", 8)
	line("plan_step.reserved2", 12)
	line("plan_step.arg", 16)
	line("PLAN_MAGIC", magic)
	line("PLAN_MAX_SIZE", maxSize)
	line("PLAN_MAX_STEPS", maxSteps)
	line("PLAN_SLOTS", maxSlots)
	line("PLAN_ARGS", maxArgs)
	line("SLOT_NONE", uint64(None))
	line("SLOT_CWD", uint64(Cwd))
	line("STEP_ELSE", flagElse)
	line("STEP_UNLESS", flagUnless)
	line("VOCABULARY", vocabulary)
	want.WriteString("TOLERABLE")
	for _, e := range tolerable {
		want.WriteString(" " + string(e))
	}
	for i, op := range ops {
		fmt.Fprintf(&want, "\nop %d %s %s", i, op.name, op.signature)
	}
	if got := string(out); got != want.String()+"\n" {
		t.Errorf("C says\n%s\nGo says\n%s", got, want.String())
	}
}

// The generated files are those of the ops.def there is.
func TestGenerated(t *testing.T) {
	header, err := os.ReadFile("../executor/vocabulary.h")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(header), fmt.Sprintf("VOCABULARY %#xull\n", uint64(vocabulary))) {
		t.Errorf("vocabulary.h is not of the same ops.def as ops_gen.go: run go generate")
	}
	def, err := os.ReadFile("../executor/ops.def")
	if err != nil {
		t.Fatal(err)
	}
	hash := uint64(14695981039346656037)
	for _, b := range def {
		hash = (hash ^ uint64(b)) * 1099511628211
	}
	if hash != vocabulary {
		t.Errorf("ops.def has changed: run go generate")
	}
}
