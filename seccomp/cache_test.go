// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var (
	testKey     = []byte("a key")
	testProgram = Program{BPF: []byte{6, 0, 0, 0, 0, 0, 0xff, 0x7f}, Unknown: []string{"one", "two"}}
)

func testEntry(t *testing.T) (dir, path string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "root", "seccomp")
	store(dir, testKey, testProgram)
	if p, ok := load(dir, testKey); !ok || !reflect.DeepEqual(p, testProgram) {
		t.Fatalf("stored %v, loaded %v, %v", testProgram, p, ok)
	}
	return dir, filepath.Join(dir, entryName(testKey))
}

func TestStore(t *testing.T) {
	dir, path := testEntry(t)
	for path, want := range map[string]os.FileMode{dir: os.ModeDir | 0o700, path: 0o600} {
		if st, err := os.Lstat(path); err != nil || st.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, st.Mode(), err, want)
		}
	}
	if _, ok := load(dir, []byte("b key")); ok {
		t.Error("loaded what was not stored")
	}
	// The entry of another key in the place of ours.
	store(dir, []byte("b key"), testProgram)
	if err := os.Rename(filepath.Join(dir, entryName([]byte("b key"))), path); err != nil {
		t.Fatal(err)
	}
	if _, ok := load(dir, testKey); ok {
		t.Error("loaded another key's entry")
	}
}

// TestDamagedEntry: each bit of an entry, each length of it, and one byte
// too many.
func TestDamagedEntry(t *testing.T) {
	good := encodeEntry(testKey, testProgram)
	if p, ok := decodeEntry(good, testKey); !ok || !reflect.DeepEqual(p, testProgram) {
		t.Fatal("the entry itself")
	}
	for bit := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		if _, ok := decodeEntry(bad, testKey); ok {
			t.Errorf("bit %d", bit)
		}
	}
	for n := range good {
		if _, ok := decodeEntry(good[:n], testKey); ok {
			t.Errorf("length %d", n)
		}
	}
	if _, ok := decodeEntry(append(bytes.Clone(good), 0), testKey); ok {
		t.Error("one byte more")
	}
	for _, bpf := range [][]byte{nil, {6}, make([]byte, 8*4097)} {
		if _, ok := decodeEntry(encodeEntry(testKey, Program{BPF: bpf}), testKey); ok {
			t.Errorf("program of %d bytes", len(bpf))
		}
	}
}

// TestForeignEntry: what is in the place of the entry is not taken for one,
// does not block, and is replaced by the next store if that can be done.
func TestForeignEntry(t *testing.T) {
	for name, c := range map[string]struct {
		plant    func(path string) error
		replaced bool
	}{
		"empty":     {func(path string) error { return os.Truncate(path, 0) }, true},
		"truncated": {func(path string) error { return os.Truncate(path, 30) }, true},
		"symlink": {func(path string) error {
			if err := os.Rename(path, path+"x"); err != nil {
				return err
			}
			return os.Symlink(path+"x", path)
		}, true},
		"dangling":       {func(path string) error { os.Remove(path); return os.Symlink("nowhere", path) }, true},
		"fifo":           {func(path string) error { os.Remove(path); return unix.Mkfifo(path, 0o600) }, true},
		"device":         {func(path string) error { os.Remove(path); return unix.Mknod(path, unix.S_IFCHR|0o600, 5) }, true},
		"directory":      {func(path string) error { os.Remove(path); return os.Mkdir(path, 0o700) }, false},
		"foreign owner":  {func(path string) error { return os.Chown(path, 1000, 0) }, true},
		"group-writable": {func(path string) error { return os.Chmod(path, 0o620) }, true},
		"world-writable": {func(path string) error { return os.Chmod(path, 0o602) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := testEntry(t)
			if err := c.plant(path); err != nil {
				if os.IsPermission(err) {
					t.Skip("needs root:", err)
				}
				t.Fatal(err)
			}
			if _, ok := load(dir, testKey); ok {
				t.Error("loaded")
			}
			store(dir, testKey, testProgram)
			if _, ok := load(dir, testKey); ok != c.replaced {
				t.Errorf("replaced: %v", ok)
			}
			if entries, _ := os.ReadDir(dir); len(entries) > 2 {
				t.Errorf("left behind: %v", entries)
			}
		})
	}
}

// TestForeignDirectory: a directory that others can write to is neither read
// nor written.
func TestForeignDirectory(t *testing.T) {
	for name, plant := range map[string]func(dir string) error{
		"foreign owner":  func(dir string) error { return os.Chown(dir, 1000, 0) },
		"group-writable": func(dir string) error { return os.Chmod(dir, 0o770) },
		"world-writable": func(dir string) error { return os.Chmod(dir, 0o1777) },
		"symlink": func(dir string) error {
			if err := os.Rename(dir, dir+"x"); err != nil {
				return err
			}
			return os.Symlink(dir+"x", dir)
		},
		"file": func(dir string) error { os.RemoveAll(dir); return os.WriteFile(dir, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := testEntry(t)
			if err := plant(dir); err != nil {
				if os.IsPermission(err) {
					t.Skip("needs root:", err)
				}
				t.Fatal(err)
			}
			if _, ok := load(dir, testKey); ok {
				t.Error("loaded")
			}
			store(dir, []byte("b key"), testProgram)
			if _, err := os.Lstat(filepath.Join(dir, entryName([]byte("b key")))); err == nil {
				t.Error("stored")
			}
		})
	}
}

// TestWithoutCache: no directory, one that cannot be made, and a full file
// system.
func TestWithoutCache(t *testing.T) {
	profile := []byte(`{"defaultAction":"SCMP_ACT_ALLOW"}`)
	for _, dir := range []string{"", "/proc/nowhere/cache", "/dev/null/cache", "/dev/full"} {
		if _, err := Filter(at, profile, dir); err != nil {
			t.Errorf("%q: %v", dir, err)
		}
	}
}

func TestHit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	profile := engineProfile(t)
	first, err := Compile(at, profile, dir)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%v, %v", entries, err)
	}
	before, err := os.Stat(filepath.Join(dir, entries[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	second, err := Compile(at, profile, dir)
	if err != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("from the cache: %v", err)
	}
	after, err := os.Stat(filepath.Join(dir, entries[0].Name()))
	if err != nil || !os.SameFile(before, after) || before.ModTime() != after.ModTime() {
		t.Errorf("the entry was written again: %v", err)
	}
	if _, err := Compile(at, append(profile, ' '), dir); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("another text, the same entry: %v", entries)
	}
	if _, err := Compile(at, []byte("{}"), dir); err == nil {
		t.Error("no error")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("an error was kept: %v", entries)
	}
}

// TestFull: the oldest of the entries, and of what a killed writer left, go.
func TestFull(t *testing.T) {
	dir, path := testEntry(t)
	old := time.Now().Add(-time.Hour)
	if err := os.WriteFile(filepath.Join(dir, ".left-over"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, filepath.Join(dir, ".left-over")} {
		if err := os.Chtimes(p, old, old); err != nil {
			t.Fatal(err)
		}
	}
	for i := range maxEntries + 10 {
		store(dir, []byte(strconv.Itoa(i)), testProgram)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != maxEntries {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if _, ok := load(dir, testKey); ok {
		t.Error("the oldest entry is still there")
	}
	if _, ok := load(dir, []byte(strconv.Itoa(maxEntries+9))); !ok {
		t.Error("the newest entry is gone")
	}
}

// TestConcurrent: a reader sees a whole entry or none.
func TestConcurrent(t *testing.T) {
	dir, _ := testEntry(t)
	key := bytes.Repeat([]byte("k"), 20<<10)
	var programs []Program
	for i := range 4 {
		programs = append(programs, Program{BPF: bytes.Repeat([]byte{byte(i)}, 8000+8*i)})
	}
	store(dir, key, programs[0])
	var writers sync.WaitGroup
	for _, p := range programs {
		writers.Go(func() {
			for range 50 {
				store(dir, key, p)
			}
		})
	}
	for range 500 {
		p, ok := load(dir, key)
		if !ok || !reflect.DeepEqual(p, programs[p.BPF[0]]) {
			t.Fatal("a torn or missing entry")
		}
	}
	writers.Wait()
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

func BenchmarkHit(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "cache")
	profile := append(engineProfile(b), bytes.Repeat([]byte(" "), 16<<10)...)
	if _, err := Filter(at, profile, dir); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Filter(at, profile, dir); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMiss(b *testing.B) {
	profile := engineProfile(b)
	for b.Loop() {
		if _, err := Filter(at, profile, ""); err != nil {
			b.Fatal(err)
		}
	}
}
