// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// View is a layout of /sys/fs/cgroup that a command is shown.
type View string

const (
	Host View = ""   // as it is
	V1   View = "v1" // without the unified hierarchy
	V2   View = "v2" // the unified hierarchy alone
)

// Views are those this machine can show: only one with both versions has more than its own.
func Views() []View {
	if unifiedRoot() == "/sys/fs/cgroup/unified" {
		return []View{Host, V1, V2}
	}
	return []View{Host}
}

// command is the words that run the rest of a command line in the view.
func (v View) command() []string {
	switch v {
	case V1:
		return []string{"unshare", "-m", "sh", "-c", `umount /sys/fs/cgroup/unified && exec "$@"`, "sh"}
	case V2:
		return []string{"unshare", "-m", "sh", "-c",
			// Bound, not mounted anew: that would change the options of the host's.
			`mount --bind /sys/fs/cgroup/unified /mnt && umount -R /sys/fs/cgroup && mount --move /mnt /sys/fs/cgroup && exec "$@"`, "sh"}
	}
	return nil
}

// String is the view's name in test names.
func (v View) String() string {
	if v == Host {
		return "host"
	}
	return string(v)
}

// Has says whether the view has a controller, and whether in version 2.
func (v View) Has(controller string) (yes, unified bool) {
	root := unifiedRoot()
	if root != "" && v != V1 {
		for c := range strings.FieldsSeq(read(filepath.Join(root, "cgroup.controllers"))) {
			if c == controller {
				return true, true
			}
		}
	}
	if root == "/sys/fs/cgroup" || v == V2 {
		return false, true
	}
	_, err := os.Stat(filepath.Join("/sys/fs/cgroup", controller))
	return err == nil, false
}

// CgroupDir is where the machine shows a controller's directory of a cgroup;
// "" as controller is the unified hierarchy.
func CgroupDir(controller, path string) string {
	root := unifiedRoot()
	if controller != "" && root != "/sys/fs/cgroup" {
		if dir := filepath.Join("/sys/fs/cgroup", controller); dir != root {
			if _, err := os.Stat(dir); err == nil {
				return filepath.Join(dir, path)
			}
		}
	}
	return filepath.Join(root, path)
}

// unifiedRoot is the mount point of cgroup2; "" if there is none.
func unifiedRoot() string {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var fs unix.Statfs_t
		if unix.Statfs(dir, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir
		}
	}
	return ""
}
