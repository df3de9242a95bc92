// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// FuzzRecord: whatever state.json has is refused or means something that can be
// written and read back, in JSON that others can read, too.
func FuzzRecord(f *testing.F) {
	r := record{Version: recordVersion, ID: "box", PID: 4711, StartTime: 1 << 60, BootID: "b", Bundle: "/b \u2028\n\"", UID: 1, Cgroups: []string{"/a", ""}, Into: -1,
		OCIVersion: "1.3.0", Annotations: map[string]string{"a": "b", "": "\x00"}, OwnPIDs: true, Poststart: true, Poststop: true, NoNewKeyring: true, Idle: true}
	f.Add(r.encode())
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{"id":"runc","init_process_pid":3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again record
		if r.decode(b) != nil {
			return
		}
		written := r.encode()
		if !json.Valid(written) {
			t.Fatalf("%q is written as %s", b, written)
		}
		if err := again.decode(written); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		if r.Created = r.Created.UTC(); len(r.Annotations) == 0 {
			r.Annotations = again.Annotations
		}
		if len(r.Cgroups) == 0 {
			r.Cgroups = again.Cgroups
		}
		if r.Version = recordVersion; !r.Created.Equal(again.Created) {
			t.Fatalf("%v became %v", r.Created, again.Created)
		}
		if r.Created = again.Created; !reflect.DeepEqual(r, again) {
			t.Fatalf("%+v became %+v", r, again)
		}
	})
}

// FuzzJournal: a journal of any bytes names only what its whole lines name.
func FuzzJournal(f *testing.F) {
	f.Add([]byte("parent /cg/a\ncgroup /cg/a/b\nunit user x.scope\nnetdevs /run/netns/a\nnetdev eth0 t0 up 0102\narrived t0 3\nsettled\n"))
	f.Add([]byte("cgroup\ncgroup \nnetdev a\narrived\nresctrl /r\nresctrl-kept /s"))
	root := f.TempDir()
	dir, err := os.Open(root)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { dir.Close() })
	c := &container{id: "box", dir: dir}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(filepath.Join(root, journalFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := c.journaled()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range j.cgroups {
			if !strings.Contains(string(b), "cgroup "+name+"\n") && name != "" {
				t.Fatalf("cgroup %q of %q", name, b)
			}
		}
		for _, name := range j.parents {
			if !strings.Contains(string(b), "parent "+name+"\n") && name != "" {
				t.Fatalf("parent %q of %q", name, b)
			}
		}
	})
}

// FuzzProcess: a process of exec is refused or has a user, a directory and
// arguments as the spec wants them, whichever way its parts are asked for.
func FuzzProcess(f *testing.F) {
	f.Add([]byte(`{"args":["sh"],"cwd":"/","user":{"uid":1}}`), "1:2", "", "CAP_KILL")
	f.Add([]byte(`{"args":["sh"],"cwd":"/"}`), "-1", "/x", "CAP_X")
	f.Add([]byte(`{"args":["sh"],"cwd":"x","capabilities":{"inheritable":["CAP_KILL"]}}`), "4294967295:+1", "y", "")
	f.Fuzz(func(t *testing.T, document []byte, user, cwd, capability string) {
		p, err := decodeProcess(document)
		if err != nil {
			return
		}
		o := ExecOptions{User: user, Cwd: cwd, Args: p.Args}
		if capability != "" {
			o.Caps = []string{capability}
		}
		u := p.User
		if err := o.user(&u); err == nil && user != "" {
			uid, gid, hasGID := strings.Cut(user, ":")
			if strings.Trim(uid+gid, "0123456789") != "" || uid == "" || hasGID && gid == "" {
				t.Fatalf("--user %q is taken as %+v", user, u)
			}
			if n, err := strconv.ParseUint(uid, 10, 32); err != nil || uint32(n) != u.UID || u.UID == 1<<32-1 {
				t.Fatalf("--user %q is uid %d", user, u.UID)
			}
		}
		before := specs.LinuxCapabilities{}
		if p.Capabilities != nil {
			before = *p.Capabilities
		}
		if o.capabilities(p) == nil && capability != "" && !reflect.DeepEqual(p.Capabilities.Inheritable, before.Inheritable) {
			t.Fatalf("--cap %s changes the inheritable ones", capability)
		}
	})
}

// FuzzSysctl: a key is refused or names one file below /proc/sys.
func FuzzSysctl(f *testing.F) {
	for _, seed := range []string{"net.ipv4.ip_forward", "net/ipv4/conf/eth0.1/forwarding", "..", "kernel/../net.a", "net./x", "a", "net.ipv4.conf.eth0/1.x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		file, ok := sysctlPath(key)
		if !ok {
			return
		}
		if path.Clean("/"+file) != "/"+file || strings.Contains("/"+file+"/", "/../") || strings.ContainsAny(file, "\x00\n") || !utf8.ValidString(file) {
			t.Fatalf("%q is %q", key, file)
		}
		for _, place := range []string{"net/", "user/", "fs/mqueue/", "kernel/"} {
			if _, some := sysctlNamespace(file); some && strings.HasPrefix(file, place) {
				return
			}
		}
		if kind, some := sysctlNamespace(file); some {
			t.Fatalf("%q is of a namespace %s", key, kind)
		}
	})
}

// FuzzWalk: the way that the explainer goes through links, dots and missing names
// ends where the kernel's ends. The tree has a name a byte: its low bits say
// whether it is a directory, a file or a link, the others where it lies or leads.
func FuzzWalk(f *testing.F) {
	f.Add([]byte{0, 4, 9, 14}, "/a/b/../c")
	f.Add([]byte{2, 2, 6, 10, 14, 18}, "/a/../../b//./c/")
	f.Add([]byte{0, 0, 18, 26, 35, 1}, "/a/b/c/d")
	text := [...]string{"/", "/a", "b", "../c", "/../d", "a/./b", "..", "."}
	f.Fuzz(func(t *testing.T, tree []byte, name string) {
		if strings.ContainsRune(name, 0) || len(name) > 200 || len(tree) > 24 || !path.IsAbs(name) {
			return
		}
		root := t.TempDir()
		dirs := []string{root}
		for i, b := range tree {
			at := path.Join(dirs[int(b>>2)%len(dirs)], string(rune('a'+i%4)))
			switch b & 3 {
			case 0, 3:
				if os.Mkdir(at, 0o755) == nil {
					dirs = append(dirs, at)
				}
			case 1:
				os.WriteFile(at, nil, 0o755)
			case 2:
				os.Symlink(text[int(b>>2)%len(text)], at)
			}
		}
		fd, err := unix.Open(root, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		x := examiner{view: view{root: fd}, process: &specs.Process{Cwd: "/"}, users: &specs.Linux{}, effective: ^uint64(0)}
		got, why := x.find(strings.TrimRight(name, "/") + "/.")
		defer got.close()
		want, err := -1, error(unix.EAGAIN)
		for err == unix.EAGAIN { // a rename or mount elsewhere, while it met ".."
			want, err = unix.Openat2(fd, strings.TrimRight(name, "/")+"/.", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT})
		}
		if err != nil {
			if got.fd >= 0 && why == "" && got.kind() == unix.S_IFDIR {
				t.Fatalf("%q is found at %s, the kernel says %v", name, got.path, err)
			}
			return
		}
		defer unix.Close(want)
		var st unix.Statx_t
		if err := unix.Statx(want, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &st); err != nil {
			t.Fatal(err)
		}
		if got.fd < 0 || got.stat.Ino != st.Ino || why != "" {
			t.Fatalf("%q is %s (%s, %s), not what the kernel finds", name, got.path, why, strconv.FormatUint(st.Ino, 10))
		}
	})
}
