// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"corten/nsenter/entry"
	"corten/nsenter/plan"
)

const newAll = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC

var at = plan.At("/test")

// session is an executor under test and what it has written.
type session struct {
	t      *testing.T
	e      *Executor
	stdout *os.File
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("namespaces need root")
	}
}

func busybox(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("needs the package busybox-static")
	}
	return path
}

func start(t *testing.T, b *plan.Builder, cloneflags uintptr, inputs ...int) *session {
	t.Helper()
	needRoot(t)
	encoded, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return startBytes(t, encoded, cloneflags, inputs...)
}

func startBytes(t *testing.T, encoded []byte, cloneflags uintptr, inputs ...int) *session {
	t.Helper()
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	t.Cleanup(func() { r.Close() })
	out := int(w.Fd())
	e, err := Start(Options{Plan: encoded, Inputs: inputs, Stdio: [3]int{int(null.Fd()), out, out}, Cloneflags: cloneflags, CgroupFD: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if e.Status >= 0 {
			e.Abort()
		}
	})
	return &session{t, e, r}
}

// next wants a record of the kind.
func (s *session) next(kind RecordKind) Record {
	s.t.Helper()
	r, err := s.e.Next()
	if err != nil {
		s.t.Fatalf("want record %d: %v", kind, err)
	}
	if r.Kind != kind {
		s.t.Fatalf("record %+v, want kind %d", r, kind)
	}
	return r
}

// eof wants no further record.
func (s *session) eof() {
	s.t.Helper()
	if r, err := s.e.Next(); err != io.EOF {
		s.t.Fatalf("record %+v, error %v, want io.EOF", r, err)
	}
}

// end reaps and returns the exit status, 128+n for a signal.
func (s *session) end() int {
	s.t.Helper()
	status, err := s.e.Wait()
	if err != nil {
		s.t.Fatal(err)
	}
	s.e.Close()
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// output is all that was written to the payload's stdout and stderr.
func (s *session) output() string {
	s.t.Helper()
	b, err := io.ReadAll(s.stdout)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func shell(b *plan.Builder, busybox, script string) {
	b.Lookup(at, []string{busybox})
	b.Execve(at, []string{"sh", "-c", script}, []string{"PATH=/bin:/usr/bin"})
}

func TestStartPayload(t *testing.T) {
	b := plan.NewBuilder()
	b.Sethostname(at, "weathering")
	b.Signals(at)
	shell(b, busybox(t), "hostname; echo $$; ls -l /proc/self/fd; exit 3")
	s := start(t, b, newAll)
	s.next(RecordExec)
	s.eof()
	if status := s.end(); status != 3 {
		t.Errorf("status %d, want 3", status)
	}
	if out := s.output(); !strings.HasPrefix(out, "weathering\n1\n") {
		t.Errorf("output %q", out)
	}
}

// A root made of nothing but steps: tmpfs, target, a bind mount, pivot_root.
func TestStartRoot(t *testing.T) {
	program, err := unix.OpenTree(unix.AT_FDCWD, busybox(t), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if errors.Is(err, unix.EPERM) {
		needRoot(t)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(program)
	b := plan.NewBuilder()
	bin := b.Input(plan.Input{At: at, Kind: plan.KindTree})
	fs, root, target, place, proc := b.Slot(), b.Slot(), b.Slot(), b.Slot(), b.Slot()
	b.Mount(at, "/", unix.MS_REC|unix.MS_SLAVE)
	b.Fsopen(at, "tmpfs", fs)
	b.Fsconfig(at, fs, unix.FSCONFIG_SET_STRING, "size", "1m")
	b.Fsconfig(at, fs, unix.FSCONFIG_CMD_CREATE, "", "")
	b.Fsmount(at, fs, unix.MOUNT_ATTR_NOSUID, root)
	b.Openat2(at, plan.Cwd, "/mnt", unix.O_PATH|unix.O_DIRECTORY, 0, 0, place)
	b.MoveMount(at, root, place)
	b.Target(at, root, "/usr/bin/busybox", unix.S_IFREG|0o755, target)
	b.MountSetattr(at, bin, unix.AT_EMPTY_PATH, unix.MOUNT_ATTR_RDONLY, 0, 0)
	b.MoveMount(at, bin, target)
	b.Close(at, bin)
	b.Close(at, target)
	b.Target(at, root, "/proc", unix.S_IFDIR|0o555, target)
	b.Close(at, fs)
	b.Fsopen(at, "proc", fs)
	b.Fsconfig(at, fs, unix.FSCONFIG_CMD_CREATE, "", "")
	b.Fsmount(at, fs, 0, proc)
	b.MoveMount(at, proc, target)
	b.Check(at, proc, unix.S_IFDIR, 0, unix.PROC_SUPER_MAGIC)
	b.Fchdir(at, root)
	b.PivotRoot(at)
	b.Umount2(at, ".", unix.MNT_DETACH)
	b.Chdir(at, "/")
	b.CheckCwd(at)
	b.CloseRange(at, 3)
	shell(b, "/usr/bin/busybox", "busybox ls /; busybox cat /proc/self/mountinfo | busybox wc -l; busybox ls /proc/self/fd")
	s := start(t, b, newAll, program)
	s.next(RecordExec)
	s.eof()
	status, out := s.end(), s.output()
	if want := "proc\nusr\n3\n0\n1\n2\n3\n"; status != 0 || out != want {
		t.Errorf("status %d, output %q, want %q", status, out, want)
	}
}

func TestStartFailure(t *testing.T) {
	b := plan.NewBuilder()
	fs := b.Slot()
	b.Fsopen(at, "tmpfs", fs)
	b.Fsconfig(at, fs, unix.FSCONFIG_SET_STRING, "size", "12x")
	s := start(t, b, newAll)
	r := s.next(RecordFail)
	if r.Step != 1 || r.Err != syscall.EINVAL || !strings.Contains(r.Text, "size") {
		t.Errorf("record %+v", r)
	}
	s.eof()
	if status := s.end(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
}

// Whatever numbers the inputs have here, each arrives in its slot.
func TestInputsArriveInTheirSlots(t *testing.T) {
	const n = 8
	var files [n]*os.File
	for i := range files {
		f, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	// As low as can be and upside down, so that all are in each other's way.
	slices.SortFunc(files[:], func(a, b *os.File) int { return cmp.Compare(b.Fd(), a.Fd()) })
	var inputs []int
	b, script := plan.NewBuilder(), ""
	for i, f := range files {
		fmt.Fprint(f, i)
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, int(f.Fd()))
		slot := b.Input(plan.Input{At: at, Kind: plan.KindInherited})
		b.Dup3(at, slot, uint64(20+i))
		script += fmt.Sprintf("cat <&%d; ", 20+i)
	}
	shell(b, busybox(t), script)
	s := start(t, b, newAll, inputs...)
	s.next(RecordExec)
	s.eof()
	if status, out := s.end(), s.output(); status != 0 || out != "01234567" {
		t.Errorf("status %d, output %q", status, out)
	}
}

// The kernel says which call of the clone has failed, before anything ran.
func TestADescriptorThatIsNoneIsAnError(t *testing.T) {
	b := plan.NewBuilder()
	b.Input(plan.Input{At: at, Kind: plan.KindInherited})
	shell(b, busybox(t), "true")
	needRoot(t)
	encoded, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	before := children(t, os.Getpid())
	e, err := Start(Options{Plan: encoded, Inputs: []int{1 << 20}, Stdio: [3]int{0, 1, 2}, CgroupFD: -1})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := e.Next(); err != io.EOF {
		t.Errorf("record %+v, error %v, want io.EOF", r, err)
	}
	if !e.Begun(time.Minute) {
		t.Error("it neither runs nor has ended")
	}
	if err := e.Failed(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("error %v, want EBADF", err)
	}
	e.Abort()
	if after := children(t, os.Getpid()); after != before {
		t.Errorf("%d children, before %d", after, before)
	}
}

// Go may move the goroutine that starts a container to a thread made while
// corten_start kept the process on one processor, with a large timer slack.
func TestWhatIsStartedHasTheCallersProcessorsAndTimerSlackFromAnyThread(t *testing.T) {
	runtime.LockOSThread() // the thread ends with the goroutine
	if unix.Gettid() == unix.Getpid() {
		t.Run("another", TestWhatIsStartedHasTheCallersProcessorsAndTimerSlackFromAnyThread)
		return
	}
	needRoot(t)
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil || all.Count() < 2 {
		t.Skip("the machine has less than two CPUs")
	}
	entry.Kept, entry.Slack = 1, 40000
	defer func() { entry.Kept, entry.Slack = 0, 0 }()
	for i := range entry.All {
		entry.All[i] = ^uintptr(0)
	}
	first, one := 0, unix.CPUSet{}
	for !all.IsSet(first) {
		first++
	}
	one.Set(first)
	spoil := func() {
		if err := errors.Join(unix.SchedSetaffinity(0, &one), unix.Prctl(unix.PR_SET_TIMERSLACK, 5000000, 0, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	// 0 is for the default, which is what the process began with.
	report := fmt.Sprintf("grep -c Cpus_allowed_list:.%d$ /proc/self/status; cat /proc/self/timerslack_ns; echo 0 >/proc/self/timerslack_ns; cat /proc/self/timerslack_ns", first)
	const want = "0\n40000\n40000\n"
	spoil()
	b := plan.NewBuilder()
	shell(b, busybox(t), report)
	s := start(t, b, 0)
	s.end()
	if got := s.output(); got != want {
		t.Errorf("executor: %q, want %q", got, want)
	}
	spoil()
	AsCaller(func() {
		if got, err := exec.Command("sh", "-c", report).Output(); string(got) != want {
			t.Errorf("hook: %q and %v, want %q", got, err, want)
		}
	})
}
