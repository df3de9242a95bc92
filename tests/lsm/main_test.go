// SPDX-License-Identifier: Apache-2.0

// Package lsm runs containers that AppArmor or SELinux confine. Without the
// one asked for on this machine, a test says so: `make test-vm` has both.
package lsm

import (
	"os"
	"strings"
	"testing"

	"corten/tests/bundle"
)

func TestMain(m *testing.M) { bundle.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// secrets puts a file /open and a file /secret into the rootfs.
func secrets(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	for _, name := range []string{"open", "secret"} {
		must(t, os.WriteFile(b.Rootfs(name), []byte(name+"\n"), 0o644))
	}
}

// refused checks that the command failed, naming the field, and ran no payload.
func refused(t *testing.T, r bundle.Result, field string) {
	t.Helper()
	if r.Status == 0 || r.Stdout != "" || !strings.Contains(r.Stderr, field+":") {
		t.Errorf("status %d, not an error at %s\nstdout: %s\nstderr: %s", r.Status, field, r.Stdout, r.Stderr)
	}
}
