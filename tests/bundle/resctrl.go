// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/binary"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Resctrl is a stand-in for the kernel's resctrl file system, for machines
// without one: a FUSE server with its directories, its rules for names, groups
// and schemata, and its errors. Two L3 caches with 11 ways, room for four
// groups and as many monitoring groups.
type Resctrl struct {
	Mount  string
	KillAt int // kill the process that makes the n-th group or write, when it is done; 0: none

	mu    sync.Mutex
	nodes map[string]*resctrlNode // by path, "" is the root
	paths map[uint64]string
	next  uint64
	last  string // info/last_cmd_status
	log   []string
	made  int // groups and writes
}

type resctrlNode struct {
	id   uint64
	dir  bool
	text string
	pids []string // of tasks
}

const defaultSchemata = "    L3:0=7ff;1=7ff\n    MB:0=100;1=100\n"

// NewResctrl mounts one on a directory of its own. Before New, which counts
// the mounts.
func NewResctrl(t testing.TB) *Resctrl {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("the kernel has no FUSE: ", err)
	}
	r := &Resctrl{Mount: t.TempDir(), nodes: map[string]*resctrlNode{}, paths: map[uint64]string{}, last: "ok"}
	r.add("", true, "")
	r.group("")
	r.add("info", true, "")
	r.add("info/last_cmd_status", false, "")
	options := "fd=" + strconv.Itoa(fd) + ",rootmode=40755,user_id=0,group_id=0,allow_other"
	if err := unix.Mount("resctrl", r.Mount, "fuse", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
		unix.Close(fd)
		t.Fatal("mount fuse: ", err)
	}
	served := make(chan struct{})
	go func() { r.serve(fd); close(served) }()
	t.Cleanup(func() {
		unix.Unmount(r.Mount, unix.MNT_DETACH)
		<-served
		unix.Close(fd)
	})
	return r
}

// Wrap puts the stand-in on /sys/fs/resctrl of a mount namespace for the
// runtime alone. What the runtime asks that no FUSE server can answer, the
// magic number of the file system, strace(1) answers.
func (r *Resctrl) Wrap(trace string) []string {
	return []string{"unshare", "-m", "sh", "-c", `mount --rbind /sys/fs/cgroup /mnt && mount -t tmpfs none /sys/fs &&
		mkdir /sys/fs/cgroup /sys/fs/resctrl && mount --rbind /mnt /sys/fs/cgroup && umount -R /mnt &&
		mount --bind "$0" /sys/fs/resctrl && exec "$@"`, r.Mount,
		"strace", "-f", "-b", "execve", "-I", "1", "-qq", "-o", trace, "-P", "/sys/fs/resctrl", "-e", "trace=fstatfs", "-e", "inject=fstatfs:poke_exit=@arg2=2158650700000000"}
}

// Text is a file's; "" if there is none.
func (r *Resctrl) Text(name string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.nodes[name]; n != nil {
		return n.read(r)
	}
	return ""
}

// Groups are the directories made by mkdir(2), sorted.
func (r *Resctrl) Groups() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, n := range r.nodes {
		if parent := path.Base(path.Dir(name)); n.dir && name != "" && name != "info" && path.Base(name) != "mon_groups" && (parent == "." || parent == "mon_groups") {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// Log is what was made, removed and written, in order.
func (r *Resctrl) Log() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.log)
}

func (r *Resctrl) add(name string, dir bool, text string) *resctrlNode {
	r.next++
	n := &resctrlNode{id: r.next, dir: dir, text: text}
	r.nodes[name], r.paths[n.id] = n, name
	return n
}

// group fills the directory of a control group.
func (r *Resctrl) group(name string) {
	r.add(path.Join(name, "schemata"), false, defaultSchemata)
	r.add(path.Join(name, "tasks"), false, "")
	r.add(path.Join(name, "mon_groups"), true, "")
}

func (r *Resctrl) mkdir(name string) syscall.Errno {
	parent := path.Dir(name)
	switch control := parent == "."; {
	case r.nodes[name] != nil:
		return unix.EEXIST
	case control && r.count(".") >= 4:
		return r.fail(unix.ENOSPC, "Out of CLOSIDs")
	case control:
		r.add(name, true, "")
		r.group(name)
	case path.Base(parent) != "mon_groups":
		return r.fail(unix.EPERM, "")
	case r.count("mon_groups") >= 4:
		return r.fail(unix.ENOSPC, "Out of RMIDs")
	default:
		r.add(name, true, "")
		r.add(path.Join(name, "tasks"), false, "")
	}
	r.last = "ok"
	r.log = append(r.log, "mkdir "+name)
	return 0
}

func (r *Resctrl) count(parent string) (n int) {
	for name, node := range r.nodes {
		if node.dir && name != "" && name != "info" && path.Base(name) != "mon_groups" && path.Base(path.Dir(name)) == parent {
			n++
		}
	}
	return n
}

func (r *Resctrl) rmdir(name string) syscall.Errno {
	if n := r.nodes[name]; n == nil || !n.dir {
		return unix.ENOENT
	}
	for other, n := range r.nodes {
		if other == name || strings.HasPrefix(other, name+"/") {
			delete(r.nodes, other)
			delete(r.paths, n.id)
		}
	}
	r.log = append(r.log, "rmdir "+name)
	return 0
}

func (r *Resctrl) fail(errno syscall.Errno, text string) syscall.Errno {
	r.last = text
	return errno
}

func (n *resctrlNode) read(r *Resctrl) string {
	if n == r.nodes["info/last_cmd_status"] {
		return r.last + "\n"
	}
	if n.pids == nil {
		return n.text
	}
	alive := ""
	for _, pid := range n.pids {
		if _, err := os.Stat("/proc/" + pid); err == nil {
			alive += pid + "\n"
		}
	}
	return alive
}

func (r *Resctrl) write(name, text string) syscall.Errno {
	n := r.nodes[name]
	r.last = "ok"
	switch path.Base(name) {
	case "schemata":
		if !strings.HasSuffix(text, "\n") {
			return unix.EINVAL
		}
		for line := range strings.Lines(text) {
			if errno := r.schema(n, strings.TrimSuffix(line, "\n")); errno != 0 {
				return errno
			}
		}
	case "tasks":
		pid := strings.TrimSpace(text)
		if _, err := os.Stat("/proc/" + pid); err != nil {
			return r.fail(unix.ESRCH, "No task "+pid)
		}
		n.pids = append(n.pids, pid)
	default:
		return unix.EACCES
	}
	r.log = append(r.log, "write "+name+" "+strings.TrimSpace(text))
	return 0
}

// schema takes a line such as L3:0=7f;1=3.
func (r *Resctrl) schema(n *resctrlNode, line string) syscall.Errno {
	resource, domains, ok := strings.Cut(line, ":")
	if !ok || resource != "L3" && resource != "MB" {
		return r.fail(unix.EINVAL, "Unknown or unsupported resource name '"+resource+"'")
	}
	values := map[string]string{}
	for _, old := range strings.Split(n.text, "\n") {
		if have, rest, _ := strings.Cut(strings.TrimSpace(old), ":"); have == resource {
			for domain := range strings.SplitSeq(rest, ";") {
				id, v, _ := strings.Cut(domain, "=")
				values[id] = v
			}
		}
	}
	for domain := range strings.SplitSeq(domains, ";") {
		id, text, _ := strings.Cut(domain, "=")
		base, limit := 16, uint64(0x7ff)
		if resource == "MB" {
			base, limit = 10, 100
		}
		v, err := strconv.ParseUint(text, base, 64)
		if err != nil || v == 0 || v > limit || values[id] == "" {
			return r.fail(unix.EINVAL, "Mask or domain of "+domain+" is wrong")
		}
		values[id] = strconv.FormatUint(v, base)
	}
	lines := strings.Split(n.text, "\n")
	for i, old := range lines {
		if strings.HasPrefix(strings.TrimSpace(old), resource+":") {
			lines[i] = "    " + resource + ":0=" + values["0"] + ";1=" + values["1"]
		}
	}
	n.text = strings.Join(lines, "\n")
	return 0
}

// serve answers requests (fuse(4), linux/fuse.h) until the unmount.
func (r *Resctrl) serve(fd int) {
	buffer := make([]byte, 256<<10)
	for {
		size, err := unix.Read(fd, buffer)
		if err == unix.EINTR || err == unix.EAGAIN || err == unix.ENOENT {
			continue
		}
		if err != nil || size < 40 {
			return // ENODEV: unmounted
		}
		in := buffer[:size]
		opcode, unique, node := le.Uint32(in[4:]), le.Uint64(in[8:]), le.Uint64(in[16:])
		if opcode == 2 || opcode == 42 || opcode == 36 {
			continue // FORGET, BATCH_FORGET, INTERRUPT have no answer
		}
		r.mu.Lock()
		body, errno := r.answer(opcode, node, in[40:])
		if (opcode == 9 || opcode == 16) && errno == 0 {
			if r.made++; r.made == r.KillAt {
				unix.Kill(int(le.Uint32(in[32:])), unix.SIGKILL)
			}
		}
		r.mu.Unlock()
		out := le.AppendUint32(nil, uint32(16+len(body)))
		out = le.AppendUint64(le.AppendUint32(out, uint32(-int32(errno))), unique)
		unix.Write(fd, append(out, body...))
	}
}

var le = binary.LittleEndian

func (r *Resctrl) answer(opcode uint32, node uint64, in []byte) ([]byte, syscall.Errno) {
	at, found := r.paths[node]
	if !found && opcode != 26 {
		return nil, unix.ENOENT
	}
	child := func(b []byte) string { return path.Join(at, strings.TrimRight(string(b), "\x00")) }
	switch opcode {
	case 26: // INIT
		out := make([]byte, 64)
		copy(out, in[:12]) // its version and read-ahead
		le.PutUint32(out[20:], 128<<10)
		le.PutUint32(out[4:], 31)
		return out, 0
	case 1: // LOOKUP
		return r.entry(child(in))
	case 3, 4: // GETATTR, SETATTR
		return append(make([]byte, 16), attributes(r.nodes[at])...), 0
	case 9: // MKDIR
		name := child(in[8:])
		if errno := r.mkdir(name); errno != 0 {
			return nil, errno
		}
		return r.entry(name)
	case 11: // RMDIR
		return nil, r.rmdir(child(in))
	case 14, 27: // OPEN, OPENDIR
		out := make([]byte, 16)
		le.PutUint32(out[8:], 1) // FOPEN_DIRECT_IO
		return out, 0
	case 15: // READ
		text, offset := r.nodes[at].read(r), le.Uint64(in[8:])
		return []byte(text[min(offset, uint64(len(text))):]), 0
	case 16: // WRITE
		size := le.Uint32(in[16:])
		out := make([]byte, 8)
		le.PutUint32(out, size)
		return out, r.write(at, string(in[40:40+size]))
	case 17: // STATFS
		return make([]byte, 80), 0
	case 18, 25, 28, 29, 34: // RELEASE, FLUSH, READDIR, RELEASEDIR, ACCESS
		return nil, 0
	}
	return nil, unix.ENOSYS
}

func (r *Resctrl) entry(name string) ([]byte, syscall.Errno) {
	n := r.nodes[name]
	if n == nil {
		return nil, unix.ENOENT
	}
	out := make([]byte, 40) // valid for no time: always asked again
	le.PutUint64(out, n.id)
	return append(out, attributes(n)...), 0
}

func attributes(n *resctrlNode) []byte {
	out := make([]byte, 88)
	le.PutUint64(out, n.id)
	mode := uint32(unix.S_IFREG | 0o644)
	if n.dir {
		mode = unix.S_IFDIR | 0o755
	}
	le.PutUint32(out[60:], mode)
	le.PutUint32(out[64:], 1)
	return out
}
