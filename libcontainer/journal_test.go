// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"corten/cgroups"
)

// made is a container in a directory of its own.
func made(t *testing.T) (*container, *Runtime) {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "box"), 0o711); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(filepath.Join(root, "box"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return &container{id: "box", dir: dir}, &Runtime{Root: root}
}

func TestTheJournalReadsBackWhatIsAboutToBeMade(t *testing.T) {
	c, _ := made(t)
	if j, err := c.journaled(); err != nil || j.cgroups != nil || j.parents != nil {
		t.Errorf("without a journal: %q, %q, %v", j.cgroups, j.parents, err)
	}
	mount := t.TempDir()
	there := filepath.Join(mount, "there")
	if err := os.Mkdir(there, 0o700); err != nil {
		t.Fatal(err)
	}
	p := &cgroups.Plan{Dirs: []cgroups.Dir{{Mount: mount, Path: there + "/new/er/box é"}, {Mount: mount, Path: there + "/box"}}}
	if err := c.journal(&Compiled{Cgroup: p}); err != nil {
		t.Fatal(err)
	}
	j, err := c.journaled()
	if err != nil || !slices.Equal(j.cgroups, []string{p.Dirs[0].Path, p.Dirs[1].Path}) || !slices.Equal(j.parents, []string{there + "/new", there + "/new/er"}) {
		t.Errorf("%q, %q, %v", j.cgroups, j.parents, err)
	}
	if err := c.journal(&Compiled{Cgroup: &cgroups.Plan{}}); err != nil {
		t.Fatal(err)
	}
	if j, err = c.journaled(); err != nil || j.cgroups != nil || j.parents != nil {
		t.Errorf("emptied: %q, %q, %v", j.cgroups, j.parents, err)
	}
}

func TestATornLineOfTheJournalIsNothing(t *testing.T) {
	c, _ := made(t)
	whole := "parent /cg/outer\ncgroup /cg/outer/box\ncgroup /cg/2/box\n"
	for n := range len(whole) {
		if err := writeAt(c.dir, journalFile, []byte(whole[:n])); err != nil {
			t.Fatal(err)
		}
		j, err := c.journaled()
		var wantPaths, wantParents []string
		if n >= len("parent /cg/outer\n") {
			wantParents = []string{"/cg/outer"}
		}
		if n >= len("parent /cg/outer\ncgroup /cg/outer/box\n") {
			wantPaths = []string{"/cg/outer/box"}
		}
		if err != nil || !slices.Equal(j.cgroups, wantPaths) || !slices.Equal(j.parents, wantParents) {
			t.Fatalf("%q: %q, %q, %v", whole[:n], j.cgroups, j.parents, err)
		}
	}
}

func TestUndoForgetsAContainerThatWasOnlyBegunAndCanBeRepeated(t *testing.T) {
	c, r := made(t)
	for _, name := range []string{journalFile, configFile, planFile, "." + stateFile} {
		if err := writeAt(c.dir, name, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := r.undo(c); err != nil {
			t.Fatal(err)
		}
		if left, err := os.ReadDir(r.Root); err != nil || len(left) != 0 {
			t.Fatalf("left: %v, %v", left, err)
		}
	}
}
