// SPDX-License-Identifier: Apache-2.0

// Package cve has one test for each published escape whose code corten has
// too, named after its id: what made it possible must fail, or do nothing.
package cve

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"corten/tests/bundle"
)

func TestMain(m *testing.M) { bundle.Main(m) }

// starts is how often a race is run: 200, or $CORTEN_RACES.
func starts(t *testing.T) int {
	if text := os.Getenv("CORTEN_RACES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal("CORTEN_RACES: ", err)
		}
		return n
	}
	if testing.Short() {
		return 20
	}
	return 200
}

// symlink makes one, in place of what is there.
func symlink(t *testing.T, target, path string) {
	t.Helper()
	must(t, os.RemoveAll(path))
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.Symlink(target, path))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// race runs the container again and again; check sees each that started.
// A start may fail, as long as it does so cleanly.
func race(t *testing.T, b *bundle.Bundle, check func(*bundle.Report)) {
	t.Helper()
	n, ran := starts(t), 0
	for range n {
		if r := b.Run(); r.Status == 0 {
			ran++
			check(bundle.ParseReport(t, r.Stdout))
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d of %d starts succeeded", ran, n)
}

// raceConfined is race for a swapped /proc: the container is looked at from
// outside, as inside no path leads to its procfs for sure.
func raceConfined(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	n, ran := starts(t), 0
	for range n {
		if r := b.Run("--detach"); r.Status == 0 {
			ran++
			confined(t, outside(b, b.State().PID))
		}
		b.Corten("delete", "--force", b.ID).OK(b)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d of %d starts succeeded", ran, n)
}

// outside is what the host sees of the process's mounts.
func outside(b *bundle.Bundle, pid int) *bundle.Report {
	return &bundle.Report{Files: map[string]string{"/proc/self/mountinfo": b.Raw(fmt.Sprintf("/proc/%d/mountinfo", pid))}}
}

// confined checks that there is a procfs whose sys is read-only and whose keys
// are masked. It follows the mounts' parents: paths are those of the moment the
// kernel prints the line, and while names are swapped no two lines need agree.
func confined(t *testing.T, r *bundle.Report) {
	t.Helper()
	proc := ""
	for _, m := range r.Mounts() {
		if m.Type == "proc" && m.Root == "/" {
			proc = m.ID
		}
	}
	if proc == "" {
		t.Fatal("there is no procfs")
	}
	readonly, masked := false, false
	for _, m := range r.Mounts() {
		if m.Parent == proc {
			readonly = readonly || m.Type == "proc" && m.Root == "/sys" && m.Has("ro")
			masked = masked || strings.HasSuffix(m.Path, "/keys") && m.Root == "/null"
		}
	}
	if !readonly {
		t.Error("sys of the procfs can be written")
	}
	if !masked {
		t.Error("keys of the procfs is not masked")
	}
}
