// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Swap exchanges two names without pause until the returned function or the
// test's end stops it: the hostile process in a shared volume.
func Swap(t testing.TB, a, b string) (stop func()) {
	t.Helper()
	swaps[t] = true
	cmd := exec.Command(probePath, "swap", a, b)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make([]byte, 16)
	if _, err := out.Read(ready); err != nil {
		t.Fatal("swap: ", err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(stop)
	return stop
}

// Canary is a host directory that no container may read, change or mount on.
type Canary struct {
	Dir   string
	t     testing.TB
	begin string
}

// Canary makes one beside the bundle, watched together with what else of the
// host the published escapes have changed.
func (b *Bundle) Canary() *Canary {
	b.t.Helper()
	c := &Canary{Dir: filepath.Join(b.Home, "canary"), t: b.t}
	for _, d := range []string{"", "sys/kernel", "self/attr", "pts", "shm", "fs/cgroup"} {
		b.must(os.MkdirAll(filepath.Join(c.Dir, d), 0o755))
	}
	for _, f := range []string{"secret", "null", "console", "ptmx", "pts/0", "sys/kernel/core_pattern", "passwd"} {
		b.must(os.WriteFile(filepath.Join(c.Dir, f), []byte("canary "+f+"\n"), 0o644))
	}
	c.begin = c.look()
	return c
}

// Check fails the test if the canary or the host is not as it was.
func (c *Canary) Check() {
	c.t.Helper()
	now := c.look()
	if now == c.begin {
		return
	}
	was, is := strings.Split(c.begin, "\n"), strings.Split(now, "\n")
	for _, line := range was {
		if !slices.Contains(is, line) {
			c.t.Errorf("the host had: %s", line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			c.t.Errorf("the host has: %s", line)
		}
	}
}

// look describes the canary's tree and the host's sysctls, device owners and
// mounts on the canary.
func (c *Canary) look() string {
	var b strings.Builder
	filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			fmt.Fprintln(&b, path, err)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			fmt.Fprintln(&b, path, err)
			return nil
		}
		st := info.Sys().(*syscall.Stat_t)
		sum := [sha256.Size]byte{}
		if info.Mode().IsRegular() {
			text, _ := os.ReadFile(path)
			sum = sha256.Sum256(text)
		}
		fmt.Fprintf(&b, "%s %v %d:%d %d dev %d %.8x\n", path, info.Mode(), st.Uid, st.Gid, st.Mtim.Nano(), st.Dev, sum)
		return nil
	})
	for _, key := range []string{"core_pattern", "modprobe", "sysrq", "domainname", "hostname"} {
		fmt.Fprintln(&b, key, strings.TrimSpace(read("/proc/sys/kernel/"+key)))
	}
	for _, device := range []string{"null", "zero", "tty", "ptmx", "pts"} {
		if info, err := os.Stat("/dev/" + device); err == nil {
			st := info.Sys().(*syscall.Stat_t)
			fmt.Fprintf(&b, "/dev/%s %v %d:%d rdev %d\n", device, info.Mode(), st.Uid, st.Gid, st.Rdev)
		}
	}
	return b.String()
}
