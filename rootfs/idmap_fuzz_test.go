// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// FuzzIDMapOption: an idmap option is refused or becomes lines that the kernel's
// uid_map takes: three numbers each, no range empty or past the last id.
func FuzzIDMapOption(f *testing.F) {
	for _, seed := range []string{"idmap=uids=0-1-10#10-11-10;gids=0-100-10", "idmap=uids=@0-1-1;gids=@0-4294967295-1", "idmap=uids=;gids=", "idmap=uids=0--1;gids=-0-1-1", "idmap=uids=0-0-1;gids=0-0-1;gids=1-1-1", "idmap"} {
		f.Add(seed)
	}
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1000, Size: 10}, {ContainerID: 4294967200, HostID: 1, Size: 95}}
	r := &Root{spec: &specs.Spec{Linux: &specs.Linux{UIDMappings: ids, GIDMappings: ids}}}
	f.Fuzz(func(t *testing.T, option string) {
		m := plan.IDMap{At: plan.At("/mounts/0/options/0")}
		if r.spelled(&m, option) != nil {
			return
		}
		for _, text := range []string{m.UIDs, m.GIDs} {
			if strings.Count(option, "#")+1 < strings.Count(text, "\n") {
				t.Fatalf("%q is %q", option, text)
			}
			for line := range strings.Lines(text) {
				words := strings.Fields(line)
				if len(words) != 3 {
					t.Fatalf("%q is %q", option, text)
				}
				if id, err := mapping(strings.Join(words, "-"), nil); err != nil || IDMapText([]specs.LinuxIDMapping{id}) != line {
					t.Fatalf("%q of %q: %v", line, option, err)
				}
			}
		}
	})
}
