// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

func TestMountsOverTheRootAndInsideProcAreRefused(t *testing.T) {
	for _, c := range []struct {
		mount specs.Mount
		text  string
	}{
		{specs.Mount{Destination: "/", Type: "tmpfs"}, "root itself"},
		{specs.Mount{Destination: "/a/..", Type: "tmpfs"}, "root itself"},
		{specs.Mount{Destination: "/", Options: []string{"remount", "ro"}}, "root itself"},
		{specs.Mount{Destination: "/proc", Type: "tmpfs"}, "only a proc"},
		{specs.Mount{Destination: "//proc/", Type: "tmpfs"}, "only a proc"},
		{specs.Mount{Destination: "/sys/../proc", Type: "sysfs"}, "only a proc"},
		{specs.Mount{Destination: "/proc", Type: "bind", Source: "/srv/proc"}, "only a proc"},
		{specs.Mount{Destination: "/proc", Source: "proc", Options: []string{"bind"}}, "only a proc"},
		{specs.Mount{Destination: "/proc/sys", Type: "tmpfs"}, "inside /proc"},
		{specs.Mount{Destination: "/proc/self/attr", Type: "bind", Source: "/x"}, "inside /proc"},
		{specs.Mount{Destination: "/proc/cpuinfo/x", Type: "bind", Source: "/x"}, "inside /proc"},
		{specs.Mount{Destination: "/proc/../proc/net", Type: "bind", Source: "/x"}, "inside /proc"},
	} {
		_, err := build(box(sys, c.mount), Facts{})
		wantError(t, err, "/mounts/1/destination", c.text)
	}
}

func TestStatisticsFilesOfProcCanBeMountedOver(t *testing.T) {
	for _, file := range overProc {
		p := mustBuild(t, box(proc, specs.Mount{Destination: file, Type: "bind", Source: "/lxcfs" + file}), Facts{})
		name := strings.TrimPrefix(file, "/proc/")
		if calls := p.calls("mounts"); index(calls, 0, `target_for `+mounted(p, 0)+` "`+name+`" `) < 0 {
			t.Errorf("%s is not looked up below the proc mount: %q", file, calls)
		}
	}
	for _, m := range []specs.Mount{proc, {Destination: "/proc", Type: "bind", Source: "/proc/"}, {Destination: "/process", Type: "tmpfs"}, {Destination: "/proc", Options: []string{"remount", "ro"}}} {
		if _, err := build(box(m), Facts{}); err != nil {
			t.Errorf("%+v: %v", m, err)
		}
	}
}

func TestWhatNoMountCanBeIsRefusedAtItsField(t *testing.T) {
	for _, c := range []struct {
		mount    specs.Mount
		at, text string
	}{
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"ro", "size=1m"}}, "options/1", "filesystem-specific"},
		{specs.Mount{Destination: "/a", Source: "/x", Options: []string{"mode=1", "rbind"}}, "options/0", "filesystem-specific"},
		{specs.Mount{Destination: "/a", Type: "bind"}, "source", "needs a source"},
		{specs.Mount{Destination: "/a"}, "type", "needs a type"},
		{specs.Mount{Destination: "/a", Options: []string{"remount", "size=1"}}, "options/1", "flags of a mount only"},
		{specs.Mount{Destination: "/a", Type: "ramfs", Options: []string{"ro", "tmpcopyup"}}, "options/1", "only a tmpfs"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", Source: "/x", Options: []string{"tmpcopyup", "bind"}}, "options/0", "only a tmpfs"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", Options: []string{"copy-symlink"}}, "options/0", "bind mounts only"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", Options: []string{"src-nofollow"}}, "options/0", "bind mounts only"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", Options: []string{"dest-nofollow"}}, "options/0", "bind mounts only"},
		{specs.Mount{Destination: "/a", Source: "/x", Options: []string{"bind", "dest-nofollow", "copy-symlink"}}, "options/2", "excludes"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", Options: []string{"idmap"}}, "options/0", "only a bind mount"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", UIDMappings: ids, GIDMappings: ids}, "uidMappings", "only a bind mount"},
		{specs.Mount{Destination: "/a", Options: []string{"bind", "remount", "ridmap"}, UIDMappings: ids, GIDMappings: ids}, "options/2", "was made with"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"idmap"}}, "options/0", "no user namespace"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"idmap"}, UIDMappings: ids}, "gidMappings", "required"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", GIDMappings: ids}, "uidMappings", "required"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"idmap=uids=0-1-1;gids=0-1-1"}, UIDMappings: ids, GIDMappings: ids}, "options/0", "too"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"ro", "idmap=uids=0-1-1"}}, "options/1", "both"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"idmap=uids=0-1;gids=0-1-1"}}, "options/0", "three numbers"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"idmap=uids=0-1-4294967296;gids=0-1-1"}}, "options/0", "three numbers"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"idmap=uids=0-4294967295-1;gids=0-1-1"}}, "options/0", "last id"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"idmap=uids=@0-1-1;gids=0-1-1"}}, "options/0", "no range"},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"idmap=users=0-1-1"}}, "options/0", "want uids="},
		{specs.Mount{Destination: "/a", Type: "bind", Source: "/x", Options: []string{"idmap=uids=0-1-1;gids=0-1-1;uids=1-1-1"}}, "options/0", "twice"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", Source: strings.Repeat("x", 256)}, "source", "255 bytes"},
		{specs.Mount{Destination: "/a", Type: "tmpfs", Options: []string{"mode=" + strings.Repeat("0", 256)}}, "options/0", "255 bytes"},
		{specs.Mount{Destination: "/a", Type: "overlay", Options: []string{"lowerdir=/a:/" + strings.Repeat("x", 255)}}, "options/0", "255 bytes"},
		{specs.Mount{Destination: "/a", Type: "cgroup"}, "type", "no cgroup hierarchy"},
	} {
		_, err := build(box(c.mount), Facts{})
		wantError(t, err, "/mounts/0/"+c.at, c.text)
	}
	_, err := build(box(specs.Mount{Destination: "/a", Type: "cgroup2"}), v1(true))
	wantError(t, err, "/mounts/0/type", "v1")
}

var ids = []specs.LinuxIDMapping{{ContainerID: 5, HostID: 1000, Size: 2}, {ContainerID: 9, HostID: 0, Size: 1}}

// mapped is the id mapping of the input that opens source, in words.
func mapped(p *built, source string) string {
	for i := range p.Inputs {
		if in := &p.Inputs[i]; in.Path == source && in.IDMap != nil {
			return in.IDMap.String()
		}
	}
	return ""
}

func TestTheIDMappingIsTheMountsOwnOrTheContainers(t *testing.T) {
	users := Facts{UserNS: true, Mapped: true}
	joined := Facts{UserNS: true, Mapped: true, UserNSPath: "/proc/7/ns/user"}
	for _, c := range []struct {
		name    string
		facts   Facts
		options []string
		own     bool
		want    string
	}{
		{"none", users, []string{"rbind"}, false, ""},
		{"own", Facts{}, []string{"bind", "idmap"}, true, "idmap uids 5:1000:2,9:0:1 gids 5:1000:2,9:0:1"},
		{"own without the option", Facts{}, []string{"bind"}, true, "idmap uids 5:1000:2,9:0:1 gids 5:1000:2,9:0:1"},
		{"own, recursive", joined, []string{"rbind", "ridmap"}, true, "ridmap uids 5:1000:2,9:0:1 gids 5:1000:2,9:0:1"},
		{"container's", users, []string{"rbind", "idmap"}, false, "idmap uids 0:100000:65536 gids 0:200000:65536"},
		{"joined", joined, []string{"rbind", "ridmap"}, false, `ridmap of "/proc/7/ns/user"`},
		{"spelled", Facts{}, []string{"rbind", "idmap=uids=0-1-10#10-11-10;gids=0-100-10"}, false, "idmap uids 0:1:10,10:11:10 gids 0:100:10"},
		{"spelled, relative", users, []string{"rbind", "ridmap=uids=@0-1-10;gids=@7-65535-1#0-1-1"}, false, "ridmap uids 0:100001:10 gids 7:265535:1,0:1:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := specs.Mount{Destination: "/m", Source: "/x", Options: c.options}
			if c.own {
				m.UIDMappings, m.GIDMappings = ids, ids
			}
			spec := box(m)
			spec.Linux.UIDMappings = []specs.LinuxIDMapping{{HostID: 100000, Size: 65536}}
			spec.Linux.GIDMappings = []specs.LinuxIDMapping{{HostID: 200000, Size: 65536}}
			if got := mapped(mustBuild(t, spec, c.facts), "/x"); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// mounted is the slot of the new file system of mounts[i].
func mounted(p *built, i int) string {
	for _, s := range p.Steps {
		if s.Op == plan.OpFsmount && s.At.String() == plan.At("/mounts").Index(i).Field("options").String() {
			return s.Args[2].(plan.Slot).String()
		}
	}
	return "none"
}

func TestTargetsAreFoundBelowTheInnermostAnchor(t *testing.T) {
	below := specs.Mount{Destination: "/dev/pts/x", Type: "tmpfs"}
	const root = -1
	for _, c := range []struct {
		name   string
		mounts []specs.Mount
		anchor int // index of the mount
		want   string
	}{
		{"root", []specs.Mount{{Destination: "/a/b", Type: "tmpfs"}}, root, `"a/b"`},
		{"dev", []specs.Mount{dev, {Destination: "/dev/shm", Type: "tmpfs"}}, 0, `"shm"`},
		{"pts in dev", []specs.Mount{dev, pts, below}, 1, `"x"`},
		{"no component", []specs.Mount{dev, {Destination: "/device/x", Type: "tmpfs"}}, root, `"device/x"`},
		{"the mount itself", []specs.Mount{dev, {Destination: "/dev", Type: "tmpfs"}}, root, `"dev"`},
		{"pts hidden by a later dev", []specs.Mount{dev, pts, dev, below}, 2, `"pts/x"`},
		{"dev hidden by a bind mount", []specs.Mount{dev, {Destination: "/dev", Type: "bind", Source: "/x"}, {Destination: "/dev/y", Type: "tmpfs"}}, root, `"dev/y"`},
	} {
		p := mustBuild(t, box(c.mounts...), Facts{})
		calls, slot := p.calls("mounts"), "s0"
		if c.anchor != root {
			slot = mounted(p, c.anchor)
		}
		last := ""
		for _, call := range calls {
			if strings.HasPrefix(call, "target ") {
				last = call
			}
		}
		if !strings.HasPrefix(last, "target "+slot+" "+c.want+" ") {
			t.Errorf("%s: %s, want %s below %s", c.name, last, c.want, slot)
		}
	}
}

func TestProcAndSysAreMountedOnRealDirectoriesOnly(t *testing.T) {
	for _, m := range []specs.Mount{proc, sys, {Destination: "/other", Type: "proc"}} {
		p := mustBuild(t, box(m), Facts{})
		i := slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.Op == plan.OpMoveMount && s.At.String() == "/mounts/0/destination" })
		to, opened := p.Steps[i].Args[1], 0
		for _, s := range p.Steps[:i] {
			if s.Op == plan.OpOpenat2 && s.Args[5] == to && s.At.String() == "/mounts/0/destination" {
				if opened++; !strings.Contains(s.Call(), "|NO_SYMLINKS") {
					t.Errorf("%s: %s", m.Type, s.Call())
				}
			}
			if s.Op == plan.OpTarget && s.Args[3] == to {
				t.Errorf("%s is mounted where a link leads: %s", m.Type, s.Call())
			}
		}
		if opened != 2 {
			t.Errorf("%s: target opened in %d steps", m.Type, opened)
		}
	}
}

func TestOtherTargetsAreRefusedWhenALinkLedIntoProc(t *testing.T) {
	for _, m := range []specs.Mount{{Destination: "/a", Type: "tmpfs"}, {Destination: "/a", Type: "bind", Source: "/x"}, group} {
		p := mustBuild(t, box(proc, m), v2(true))
		checked := false
		for _, s := range p.Steps {
			switch {
			case s.At.String() != "/mounts/1/destination":
			case s.Op == plan.OpCheck && s.Args[3] == uint64(plan.CheckNot|0x9fa0):
				checked = true
			case s.Op == plan.OpMoveMount && !checked:
				t.Errorf("%s %s before its check", m.Type, s.Call())
			}
		}
	}
}

func TestABindIsASlaveUnlessItAsksForMore(t *testing.T) {
	for options, want := range map[string][]string{
		"":                {"propagation MS_SLAVE"},
		"private":         {"propagation MS_SLAVE", "propagation MS_PRIVATE"},
		"rbind":           {"AT_RECURSIVE propagation MS_SLAVE"},
		"rbind rslave":    {"AT_RECURSIVE propagation MS_SLAVE"},
		"rbind rprivate":  {"AT_RECURSIVE propagation MS_SLAVE", "AT_RECURSIVE propagation MS_PRIVATE"},
		"rbind private":   {"AT_RECURSIVE propagation MS_SLAVE", "propagation MS_PRIVATE"},
		"shared":          {"propagation MS_SHARED"},
		"rbind rshared":   {"AT_RECURSIVE propagation MS_SHARED"},
		"ro nosuid":       {"set RDONLY|NOSUID propagation MS_SLAVE"},
		"rw":              {"clear RDONLY propagation MS_SLAVE"},
		"rbind ro rnodev": {"AT_RECURSIVE propagation MS_SLAVE", "set RDONLY", "AT_RECURSIVE set NODEV"},
		"noatime":         {"set NOATIME clear ATIME_MASK propagation MS_SLAVE"},
	} {
		m := specs.Mount{Destination: "/a", Source: "/x", Type: "bind", Options: strings.Fields(options)}
		calls := mustBuild(t, box(m), Facts{}).calls("mounts")
		var got []string
		for _, c := range calls {
			if rest, ok := strings.CutPrefix(c, "mount_setattr s1 AT_EMPTY_PATH"); ok {
				got = append(got, strings.TrimLeft(rest, "| "))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", options, got, want)
		}
		if move := index(calls, 0, "move_mount"); index(calls, move, "mount_setattr") >= 0 {
			t.Errorf("%s: attributes change after it is visible", options)
		}
	}
}

func TestAttributesOfANewFileSystemAreSetBeforeItIsVisible(t *testing.T) {
	m := specs.Mount{Destination: "/a", Type: "ext4", Source: "/dev/x", Options: []string{"nosuid", "rnoexec", "rprivate", "data=ordered", "sync"}}
	calls := mustBuild(t, box(m), Facts{}).calls("mounts")
	move := index(calls, 0, "move_mount")
	for _, want := range []string{`fsconfig s1 SET_STRING "source" "/dev/x"`, `fsconfig s1 SET_STRING "data" "ordered"`, `fsconfig s1 SET_FLAG "sync"`,
		"fsmount s1 NOSUID", "mount_setattr s2 AT_EMPTY_PATH|AT_RECURSIVE propagation MS_PRIVATE", "mount_setattr s2 AT_EMPTY_PATH|AT_RECURSIVE set NOEXEC"} {
		if i := index(calls, 0, want); i < 0 || i > move {
			t.Errorf("%s is call %d, the mount %d", want, i, move)
		}
	}
}

func TestLongLowerdirsAreGivenOneByOne(t *testing.T) {
	long := strings.Repeat("/layer", 20)
	for value, want := range map[string][]string{
		"/a:/b":                            {`"lowerdir" "/a:/b"`},
		long + ":" + long + "/2":           nil, // below
		long + "/1:/2:" + long + long[:20]: {`"lowerdir+" "` + long + `/1"`, `"lowerdir+" "/2"`, `"lowerdir+" "` + long + long[:20] + `"`},
	} {
		m := specs.Mount{Destination: "/u", Type: "overlay", Options: []string{"lowerdir=" + value}}
		var got []string
		for _, c := range mustBuild(t, box(m), Facts{}).calls("mounts") {
			if rest, ok := strings.CutPrefix(c, "fsconfig s1 SET_STRING "); ok {
				got = append(got, rest)
			}
		}
		if want == nil {
			want = []string{`"lowerdir" "` + value + `"`}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d bytes: %q", len(value), got)
		}
	}
}

func TestARemountChangesWhatIsThereAndNothingElse(t *testing.T) {
	m := specs.Mount{Destination: "/a", Source: "/nowhere", Options: []string{"remount", "bind", "nodev", "rw", "rro"}}
	p := mustBuild(t, box(m), Facts{})
	if len(p.Inputs) != 1 {
		t.Errorf("inputs: %+v", p.Inputs[1:])
	}
	want := []string{`openat2 s0 "a" O_PATH|O_CLOEXEC IN_ROOT|NO_MAGICLINKS`, "mount_setattr s1 AT_EMPTY_PATH set NODEV clear RDONLY",
		"mount_setattr s1 AT_EMPTY_PATH|AT_RECURSIVE set RDONLY", "close s1"}
	if calls := p.calls("mounts"); len(calls) != 4 || !strings.HasPrefix(calls[0], want[0]) || !slices.Equal(calls[1:], want[1:]) {
		t.Errorf("%q", calls)
	}
}

func TestARemountOfAPropagationReachesAllMountsBelowWhenAsked(t *testing.T) {
	for option, want := range map[string]string{"private": "AT_EMPTY_PATH propagation MS_PRIVATE", "rprivate": "AT_EMPTY_PATH|AT_RECURSIVE propagation MS_PRIVATE"} {
		calls := mustBuild(t, box(specs.Mount{Destination: "/a", Options: []string{"remount", option}}), Facts{}).calls("mounts")
		if n := count(calls, "mount_setattr "); n != 1 || !strings.Contains(strings.Join(calls, "\n"), want) {
			t.Errorf("%s: %q", option, calls)
		}
	}
}

func v2(cgroupNS bool) Facts {
	return Facts{CgroupNS: cgroupNS, Hierarchies: []Hierarchy{{Mount: "/sys/fs/cgroup", V2: true, Cgroup: "/sys/fs/cgroup/box"}}}
}

func v1(cgroupNS bool) Facts {
	return Facts{CgroupNS: cgroupNS, Hierarchies: []Hierarchy{
		{Mount: "/sys/fs/cgroup/cpu,cpuacct", Controllers: []string{"cpu", "cpuacct"}, Cgroup: "/sys/fs/cgroup/cpu,cpuacct/box"},
		{Mount: "/sys/fs/cgroup/systemd", Name: "systemd", Cgroup: "/sys/fs/cgroup/systemd/box"},
		{Mount: "/sys/fs/cgroup/unified", V2: true, Cgroup: "/sys/fs/cgroup/unified/box"}}}
}

func TestCgroupsAreReadOnlyWithoutANamespaceOfTheirOwn(t *testing.T) {
	for _, facts := range []Facts{v2(false), v2(true), v1(false), v1(true)} {
		calls := mustBuild(t, box(sys, group), facts).calls("mounts")
		text := strings.Join(calls[index(calls, 0, "fsopen \"sysfs\"")+1:], "\n")
		if strings.Contains(text, "RDONLY") == facts.CgroupNS {
			t.Errorf("cgroup namespace %v:\n%s", facts.CgroupNS, text)
		}
	}
}

func TestHierarchiesOfV1AreNewMountsOrTheContainersOwnDirectories(t *testing.T) {
	p := mustBuild(t, box(sys, group), v1(true))
	calls := p.calls("mounts")
	for _, want := range []string{`SET_FLAG "cpu"`, `SET_FLAG "cpuacct"`, `symlinkat "cpu,cpuacct" ` + mounted(p, 1) + ` "cpuacct"`, `SET_FLAG "none"`, `SET_STRING "name" "systemd"`} {
		if !slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, want) }) {
			t.Errorf("no %s in %q", want, calls)
		}
	}
	if len(p.Inputs) != 1 || count(calls, `fsopen "cgroup"`) != 2 {
		t.Errorf("%d inputs, %d new mounts", len(p.Inputs), count(calls, `fsopen "cgroup"`))
	}
	for _, facts := range []Facts{v1(false), func() Facts { f := v1(true); f.UserNS, f.Mapped = true, true; return f }()} {
		p = mustBuild(t, box(sys, group, specs.Mount{Destination: "/again", Type: "cgroup"}), facts)
		var paths []string
		for i, in := range p.Inputs {
			if in.Kind == plan.KindCgroup {
				paths = append(paths, in.Path)
				slot := plan.Slot(i).String()
				if calls := p.calls("mounts"); count(calls, "move_mount "+slot+" ") != 1 || !slices.Contains(calls, "close "+slot) {
					t.Errorf("%s is not bound once: %q", in.Path, calls)
				}
			}
		}
		own := []string{"/sys/fs/cgroup/cpu,cpuacct/box", "/sys/fs/cgroup/systemd/box"}
		if !slices.Equal(paths, append(own, own...)) {
			t.Errorf("inputs %q", paths)
		}
	}
}

func TestASysfsThatCanBeMadeWithItsNetworkNamespace(t *testing.T) {
	for _, c := range []struct {
		mounts []specs.Mount
		want   int
		attr   uint64
	}{
		{nil, -1, 0},
		{[]specs.Mount{proc, sys}, 1, 0},
		{[]specs.Mount{{Destination: "/sys", Type: "sysfs", Options: []string{"ro", "nosuid", "rw", "rnoexec"}}}, 0, unix.MOUNT_ATTR_NOSUID},
		{[]specs.Mount{{Destination: "/sys", Type: "sysfs", Options: []string{"mode=1"}}}, -1, 0},
		{[]specs.Mount{{Destination: "/sys", Type: "sysfs", Options: []string{"sync"}}, sys}, 1, 0},
		{[]specs.Mount{{Destination: "/sys", Type: "sysfs", Source: strings.Repeat("s", 256)}}, -1, 0},
		{[]specs.Mount{{Destination: "/sys", Type: "sysfs", Options: []string{"rbind"}}}, -1, 0},
		{[]specs.Mount{{Destination: "/sys", Type: "sysfs", Options: []string{"remount"}}}, -1, 0},
		{[]specs.Mount{{Destination: "/dev/", Type: "sysfs"}}, -1, 0},
	} {
		if i, attr := NewSysfs(box(c.mounts...)); i != c.want || attr != c.attr {
			t.Errorf("%+v: %d, %#x, want %d, %#x", c.mounts, i, attr, c.want, c.attr)
		}
	}
}
