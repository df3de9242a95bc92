// SPDX-License-Identifier: Apache-2.0

// Package cve has one test for each published escape whose code corten has
// too, named after its id: what made it possible must fail, or do nothing.
package cve

import (
	"os"
	"path/filepath"
	"strconv"
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
