// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// stateDisk has the bundle's runtime root on a tmpfs of its own.
func stateDisk(t *testing.T, options string) *bundle.Bundle {
	t.Helper()
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	b := bundle.New(t, bundle.Probe("pause"))
	b.Unchecked("it looks at the host and the bundle, not at what is free")
	b.Root = disk + "/run"
	return b
}

// fill writes files to a bundle's state disk until no more byte fits.
func fill(b *bundle.Bundle) {
	for i := 0; os.WriteFile(fmt.Sprintf("%s/full.%d", filepath.Dir(b.Root), i), []byte{0}, 0o600) == nil; i++ {
	}
}

// Of a create that finds no place for its state nothing is left; a container
// that is there lives to its end on a disk that is full to the last byte.
func TestADiskTooSmallForTheStateStopsCreateAndNothingElse(t *testing.T) {
	bundle.NeedCorten(t) // runc deletes nothing on a full disk
	var options []string
	for k := 4; k <= 64; k += 4 {
		options = append(options, fmt.Sprintf("size=%dk", k))
	}
	for n := 2; n <= 20; n++ {
		options = append(options, fmt.Sprintf("nr_inodes=%d", n))
	}
	made := 0
	for _, o := range options {
		t.Run(o, func(t *testing.T) {
			b := stateDisk(t, o)
			r := b.Corten("create", "--bundle", b.Dir, b.ID)
			if r.Status != 0 {
				refused(t, r, "no space left on device")
				b.CheckLeaks()
				fill(b)
			} else {
				made++
				fill(b)
				b.State()
				b.Start()
				b.Exec("ID", "true").OK(b)
				b.Corten("pause", b.ID).OK(b)
				b.Corten("resume", b.ID).OK(b)
				b.Corten("kill", b.ID, "KILL").OK(b)
				b.WaitStatus("stopped")
				if got := b.Corten("list", "-q").OK(b).Stdout; got != b.ID+"\n" {
					t.Errorf("list: %q", got)
				}
				b.Corten("delete", b.ID).OK(b)
			}
			if got := b.Corten("list", "-q").OK(b).Stdout; got != "" {
				t.Errorf("list: %q", got)
			}
			b.Corten("delete", "--force", b.ID).OK(b)
		})
	}
	if made == 0 || made == len(options) {
		t.Errorf("%d of %d disks were large enough", made, len(options))
	}
}

// Of a run that is short of descriptors nothing is left.
func TestARunShortOfDescriptorsLeavesNothing(t *testing.T) {
	bundle.NeedCorten(t)
	done := 0
	for n := 3; n <= 64; n++ {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			b := bundle.New(t, bundle.Args("true"), func(s *specs.Spec) { s.Process.Rlimits = nil })
			b.Unchecked("it needs fewer descriptors")
			few := bundle.Options{Wrap: []string{"prlimit", "--nofile=" + strconv.Itoa(n), "--"}}
			if r := b.CortenWith(few, "run", "--bundle", b.Dir, b.ID); r.Status == 0 {
				done++
			} else {
				refused(t, r, "too many open files")
			}
			b.CheckLeaks()
			if n < 24 {
				return // with a descriptor for each of twelve hierarchies
			}
			b.Create()
			if got := b.CortenWith(few, "list", "-q").OK(b).Stdout; strings.TrimSpace(got) != b.ID {
				t.Errorf("list: %q", got)
			}
			b.CortenWith(few, "delete", "--force", b.ID).OK(b)
		})
	}
	if done == 0 {
		t.Error("no run was done")
	}
}

// The caller's cgroup has no place for another process or thread: what cannot be
// forked is an error, and delete --force finds everything.
func TestARunInACgroupWithoutRoomForProcesses(t *testing.T) {
	bundle.NeedCorten(t)
	dir := bundle.CgroupDir("pids", "/")
	done := 0
	for n := 1; n <= 24; n++ {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			b := bundle.New(t, bundle.Args("true"))
			b.Unchecked("it is another program, and needs room itself")
			room := dir + "/" + b.ID + "-room"
			if err := os.Mkdir(room, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Remove(room) })
			if err := os.WriteFile(room+"/pids.max", []byte(strconv.Itoa(n)), 0); err != nil {
				t.Skipf("the host has no controller pids: %v", err)
			}
			b.In(room)
			if r := b.Corten("run", "--bundle", b.Dir, b.ID); r.Status == 0 {
				done++
			}
			b.In()
			b.Corten("delete", "--force", b.ID).OK(b)
			if !bundle.Eventually(func() bool { left := b.Leaks(); return len(left) == 1 && strings.HasSuffix(left[0], "-room") }) {
				t.Errorf("left: %v", b.Leaks())
			}
		})
	}
	if done == 0 {
		t.Error("no run was done")
	}
}

// A seccomp filter around corten, as of an engine of old, has never heard of a
// call: the container runs without it, or the error names it and nothing is left.
func TestACallThatIsForbiddenIsNamed(t *testing.T) {
	bundle.NeedCorten(t)
	bundle.NeedStrace(t)
	for _, call := range strings.Fields(`openat2 fsopen fsconfig fsmount open_tree move_mount mount_setattr memfd_create clone3 pidfd_open pidfd_send_signal
		close_range unshare statx pivot_root seccomp capset keyctl umount2 mount`) {
		for _, errno := range []string{"ENOSYS", "EPERM"} {
			t.Run(call+" "+errno, func(t *testing.T) {
				b := bundle.New(t, bundle.Args("true"))
				b.Unchecked("it makes other calls")
				forbidden := []string{"strace", "-f", "-q", "-o", "/dev/null", "-e", "inject=" + call + ":error=" + errno}
				r := b.CortenWith(bundle.Options{Wrap: forbidden}, "run", "--bundle", b.Dir, b.ID)
				if r.Status != 0 {
					refused(t, r, strings.TrimSuffix(call, "3")) // clone3 is clone to who made it
				}
				b.CheckLeaks()
			})
		}
	}
}
