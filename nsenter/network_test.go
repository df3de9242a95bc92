// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestANetworkNamespaceIsMadeMeanwhile(t *testing.T) {
	needRoot(t)
	n, err := NewNetwork(nil)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := n.Take()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var own, made unix.Stat_t
	if err := errors.Join(unix.Stat("/proc/self/ns/net", &own), unix.Fstat(fd, &made)); err != nil {
		t.Fatal(err)
	}
	if own.Ino == made.Ino || own.Dev != made.Dev {
		t.Errorf("own namespace %d:%d, new one %d:%d", own.Dev, own.Ino, made.Dev, made.Ino)
	}
	n.Abort()
	if err := unix.Fstat(fd, &made); err != nil {
		t.Errorf("what was taken is closed by Abort: %v", err)
	}
	before := openFiles(t)
	if n, err = NewNetwork(nil); err != nil {
		t.Fatal(err)
	}
	n.Abort()
	(*Network)(nil).Abort()
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

func newNetwork(t *testing.T, sysfs *Sysfs) *Network {
	t.Helper()
	needRoot(t)
	n, err := NewNetwork(sysfs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Abort)
	return n
}

// read is a file below the directory of the descriptor.
func read(t *testing.T, dir int, name string) string {
	t.Helper()
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestASysfsShowsTheNetworkNamespaceMadeWithIt(t *testing.T) {
	for _, source := range [...]string{"", "none"} {
		n := newNetwork(t, &Sysfs{Source: source, Attributes: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOEXEC})
		network, err := n.Take()
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(network)
		mnt, err := n.TakeSysfs()
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(mnt)
		var fs unix.Statfs_t
		if err := unix.Fstatfs(mnt, &fs); err != nil {
			t.Fatal(err)
		}
		const want = unix.ST_RDONLY | unix.ST_NOEXEC
		if flags := fs.Flags & (want | unix.ST_NOSUID | unix.ST_NODEV); fs.Type != unix.SYSFS_MAGIC || flags != want {
			t.Errorf("type %#x, flags %#x, want %#x and %#x", fs.Type, flags, unix.SYSFS_MAGIC, want)
		}
		if got := read(t, mnt, "class/net/lo/flags"); got != "0x9" { // IFF_UP|IFF_LOOPBACK
			t.Errorf("lo has the flags %s", got)
		}
		if _, err := n.TakeSysfs(); err == nil {
			t.Error("it was taken twice")
		}
	}
}

func TestAnAbortedNetworkNamespaceLeavesNothing(t *testing.T) {
	needRoot(t)
	for take := range 3 {
		before := openFiles(t)
		n, err := NewNetwork(&Sysfs{Source: "sysfs"})
		if err != nil {
			t.Fatal(err)
		}
		var fds []int
		takes := [...]func() (int, error){n.Take, n.TakeSysfs}
		for _, f := range takes[:take] {
			fd, err := f()
			if err != nil {
				t.Fatal(err)
			}
			fds = append(fds, fd)
		}
		n.Abort()
		n.Abort()
		closeAll(fds)
		if after := openFiles(t); after != before {
			t.Errorf("%d taken: %d descriptors, before %d", take, after, before)
		}
	}
}

// The network namespace is there without a sysfs, but there is no sysfs without it.
func TestTheCallThatFailsOfASysfsIsTheError(t *testing.T) {
	n := newNetwork(t, &Sysfs{Attributes: 1 << 30})
	failed := (*os.SyscallError)(nil)
	if fd, err := n.TakeSysfs(); !errors.As(err, &failed) || failed.Syscall != "fsmount" || failed.Err != unix.EINVAL {
		t.Errorf("sysfs: %d, %v", fd, err)
	}
	if fd, err := n.Take(); err != nil {
		t.Error(err)
	} else {
		unix.Close(fd)
	}
}
