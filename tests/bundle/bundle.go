// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Bundle is one container's bundle, its id and a runtime root of its own.
type Bundle struct {
	ID   string
	Dir  string // of config.json and rootfs
	Root string // the runtime's --root
	Home string // temporary directory of all of it
	View View   // cgroup layout the runtime sees; the default is the host's

	in      []string // words before those of the view
	as      []string // words before the runtime's path
	runtime string   // path; "" until a command is run

	unchecked string // see Unchecked

	t     testing.TB
	runs  int
	ids   []string // further ids to delete
	begin snapshot
}

var counter atomic.Int64

// prefix begins the name of all that these tests make outside a bundle, so
// that leaks are told from what others do on the machine, now or before.
var prefix = "ct" + strconv.FormatInt(time.Now().UnixNano(), 36)

// New makes a bundle from Base and the edits. When the test ends its
// containers are deleted by force and nothing of them may be left.
func New(t testing.TB, edits ...Edit) *Bundle {
	t.Helper()
	spec := Base()
	for _, edit := range edits {
		edit(spec)
	}
	b := NewEmpty(t)
	b.Write(spec)
	return b
}

// NewEmpty makes a bundle with a rootfs but without config.json.
func NewEmpty(t testing.TB) *Bundle {
	t.Helper()
	home, err := os.MkdirTemp("", "corten-test-")
	if err != nil {
		t.Fatal(err)
	}
	b := &Bundle{
		ID:   fmt.Sprintf("%s-%d", prefix, counter.Add(1)),
		Dir:  filepath.Join(home, "bundle"),
		Root: filepath.Join(home, "run"),
		Home: home,
		t:    t,
	}
	t.Cleanup(b.cleanUp)
	b.must(os.Chmod(home, 0o755)) // a mapped root has to reach the rootfs
	b.must(os.MkdirAll(filepath.Join(b.Dir, "rootfs"), 0o755))
	b.must(makeRootfs(b.Rootfs()))
	b.begin = take()
	return b
}

// Rootfs joins names to the path of the rootfs.
func (b *Bundle) Rootfs(names ...string) string {
	return filepath.Join(append([]string{b.Dir, "rootfs"}, names...)...)
}

// Write makes spec the bundle's config.json.
func (b *Bundle) Write(spec *specs.Spec) {
	b.t.Helper()
	text, err := json.Marshal(spec)
	b.must(err)
	b.WriteText(text)
}

// WriteText makes config.json of any text.
func (b *Bundle) WriteText(text []byte) {
	b.t.Helper()
	b.must(os.WriteFile(filepath.Join(b.Dir, "config.json"), text, 0o644))
}

// Volume makes a directory beside the bundle, with a file for each pair of
// name and text, and returns its path.
func (b *Bundle) Volume(name string, files ...string) string {
	b.t.Helper()
	dir := filepath.Join(b.Home, "volumes", name)
	b.must(os.MkdirAll(dir, 0o755))
	for i := 0; i+1 < len(files); i += 2 {
		b.must(os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o644))
	}
	return dir
}

// AnotherID is an id for a second container of the same runtime root.
func (b *Bundle) AnotherID() string {
	id := fmt.Sprintf("%s-%d", prefix, counter.Add(1))
	b.ids = append(b.ids, id)
	return id
}

func (b *Bundle) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// cleanUp deletes the containers, then looks for what they left.
func (b *Bundle) cleanUp() {
	for _, id := range append(b.ids, b.ID) {
		if r := b.Corten("delete", "--force", id); r.Status != 0 {
			b.t.Errorf("delete --force %s: exit status %d\n%s", id, r.Status, r.Stderr)
		}
	}
	b.CheckLeaks()
	if b.t.Failed() && os.Getenv("CORTEN_KEEP") != "" {
		b.t.Logf("kept %s", b.Home)
		return
	}
	removeAll(b.Home)
}

// removeAll removes a tree that may have mounts left below it, and never
// what is mounted there.
func removeAll(dir string) {
	unmountBelow(dir)
	os.RemoveAll(dir)
}
