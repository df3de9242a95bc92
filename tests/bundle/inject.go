// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Injector builds tests/faults/inject, which fails or kills the runtime, or the
// executor, at one of its system calls, whichever thread makes it: strace counts
// those of each thread.
func Injector(t testing.TB) string {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "inject")
	cc := cmp.Or(os.Getenv("CC"), "gcc")
	if _, err := exec.LookPath(cc); err != nil {
		t.Skipf("there is no %s to build tests/faults/inject with (package gcc)", cc)
	}
	source := filepath.Join(root, "tests/faults/inject/inject.c")
	if out, err := exec.Command(cc, "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", source, err, out)
	}
	return program
}
