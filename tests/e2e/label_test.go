// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

const label = "system_u:object_r:container_file_t:s0:c1,c2"

// selinux runs corten where the kernel seems to have SELinux.
func selinux(b *bundle.Bundle, t *testing.T, args ...string) bundle.Result {
	t.Helper()
	fake := filepath.Join(b.Home, "filesystems")
	if err := os.WriteFile(fake, []byte("nodev\ttmpfs\nnodev\tselinuxfs\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return b.CortenWith(bundle.Options{Wrap: []string{"unshare", "-m", "sh", "-c", "mount --bind " + fake + ` /proc/filesystems && exec "$@"`, "--"}}, args...)
}

// The label is asked of the kernel for every new file system that takes one,
// and a host without SELinux does not start a container that would lack it.
//
// spec: linux.mountLabel
func TestTheMountLabelIsGivenToNewFileSystems(t *testing.T) {
	bundle.NeedCorten(t)
	for name, key := range map[string]string{"": "context", "rootcontext": "rootcontext"} {
		b := bundle.New(t, bundle.Args("true"), bundle.Mount("/own", "tmpfs", "tmpfs", `context="a:b:c:s0"`, `rootcontext="a:b:c:s0"`), func(s *specs.Spec) {
			s.Linux.MountLabel = label
			if name != "" {
				s.Annotations = map[string]string{"run.oci.mount_context_type": name}
			}
		})
		text, err := os.ReadFile("/proc/filesystems")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "selinuxfs") {
			t.Skip("SELinux is enabled here: the container would start")
		}
		if r := b.Run(); r.Status == 0 || !strings.Contains(r.Stderr, "config.json#/linux/mountLabel: SELinux is not enabled on this host") {
			t.Errorf("status %d, %s", r.Status, r.Stderr)
		}
		r := selinux(b, t, "run", "--bundle", b.Dir, b.ID)
		if r.Status == 0 || !strings.Contains(r.Stderr, `config.json#/linux/mountLabel: fsconfig tmpfs "`+key+`"="`+label+`"`) {
			t.Errorf("status %d, %s", r.Status, r.Stderr)
		}
		r = selinux(b, t, "plan", "--bundle", b.Dir)
		opened, labelled := map[string]int{}, 0
		for line := range strings.Lines(r.Stdout) {
			if f := strings.Fields(line); len(f) > 2 && f[1] == "fsopen" {
				opened[strings.Trim(f[2], `"`)]++
			}
			if strings.Contains(line, `SET_STRING "`+key+`" "`+label+`"`) {
				labelled++
			}
		}
		// /dev, /dev/pts, /dev/shm, the cover of masked directories, and what holds the v1 hierarchies; /own has one already.
		if want := opened["tmpfs"] + opened["devpts"] - 1; labelled != want || want < 4 {
			t.Errorf("%d labels of %v", labelled, opened)
		}
		if !strings.Contains(r.Stdout, `fsetxattr`) || !strings.Contains(r.Stdout, `"security.selinux"`) {
			t.Error("the message queues have no label")
		}
	}
}
