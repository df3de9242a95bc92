// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// event is a line of events as engines decode it.
type event struct {
	Type, ID string
	Data     struct {
		CPU    struct{ Usage struct{ Total uint64 } }
		Memory struct {
			Usage struct{ Limit, Usage, Max, Failcnt uint64 }
			Raw   map[string]uint64
		}
		Pids              struct{ Current, Limit uint64 }
		Hugetlb           map[string]struct{ Usage, Max, Failcnt uint64 }
		NetworkInterfaces []struct{ Name string } `json:"network_interfaces"`
	}
}

// eventsOf decodes a stream, the last line of which may not be whole yet.
func eventsOf(t *testing.T, text string) (all []event) {
	t.Helper()
	lines := strings.Split(text, "\n")
	for _, line := range lines[:len(lines)-1] {
		var e event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, e)
	}
	return all
}

func TestStatsCountWhatTheContainerUses(t *testing.T) {
	inAllViews(t, func(t *testing.T, view bundle.View) {
		r := specs.LinuxResources{}
		memory, _ := view.Has("memory")
		pids, _ := view.Has("pids")
		if memory {
			r.Memory = &specs.LinuxMemory{Limit: bundle.Pointer[int64](64 << 20)}
		}
		if pids {
			r.Pids = &specs.LinuxPids{Limit: bundle.Pointer[int64](20)}
		}
		b := limited(t, view, r, bundle.Shell("i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; sleep 60 & exec probe pause"))
		b.Detach()
		waitProcesses(t, b, 2)
		all := eventsOf(t, b.Corten("events", "--stats", b.ID).OK(b).Stdout)
		if len(all) != 1 || all[0].Type != "stats" || all[0].ID != b.ID {
			t.Fatalf("events: %+v", all)
		}
		d := all[0].Data
		if d.CPU.Usage.Total == 0 {
			t.Error("no processor time")
		}
		if m := d.Memory.Usage; memory && (m.Limit != 64<<20 || m.Usage == 0 || m.Max < m.Usage || len(d.Memory.Raw) == 0) {
			t.Errorf("memory %+v", d.Memory)
		}
		if d.Pids.Current != 2 || pids && d.Pids.Limit != 20 {
			t.Errorf("pids %+v", d.Pids)
		}
	})
}

// waitProcesses waits until the container has n processes.
func waitProcesses(t *testing.T, b *bundle.Bundle, n int) {
	t.Helper()
	if !bundle.Eventually(func() bool {
		return strings.Count(b.Corten("ps", "--format", "json", b.ID).OK(b).Stdout, ",") == n-1
	}) {
		t.Fatalf("the container has not come to %d processes: %s", n, b.Output(0))
	}
}

// keys are the paths of all members; those of raw and of lists' elements are
// the kernel's.
func keys(at string, v any) (all []string) {
	if members, ok := v.(map[string]any); ok && !strings.HasSuffix(at, "/raw") {
		for name, member := range members {
			all = append(append(all, at+"/"+name), keys(at+"/"+name, member)...)
		}
	}
	return all
}

func TestStatsHaveAllMembersThatRuncsHave(t *testing.T) {
	runc, err := exec.LookPath("runc")
	if err != nil {
		t.Skip("no runc to compare with: the package runc is missing")
	}
	inAllViews(t, func(t *testing.T, view bundle.View) {
		b := bundle.New(t, bundle.Probe("pause"))
		b.View = view
		b.Detach()
		root, id := b.Home+"/runc", b.ID+"-runc"
		peer := func(words ...string) string {
			t.Helper()
			line := b.Command()
			line = append(append(line[:len(line)-3], runc, "--root", root), words...)
			out, err := exec.Command(line[0], line[1:]...).Output()
			if err != nil {
				t.Fatalf("%v: %v %s", line, err, out)
			}
			return string(out)
		}
		null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		line := b.Command()
		line = append(line[:len(line)-3], runc, "--root", root, "run", "--detach", "--bundle", b.Dir, id)
		run := exec.Command(line[0], line[1:]...)
		run.Stdin, run.Stdout, run.Stderr = null, null, null
		if err := run.Run(); err != nil {
			t.Skipf("runc cannot run this bundle in this view: %v", err)
		}
		defer peer("delete", "--force", id)
		var theirs, ours any
		if json.Unmarshal([]byte(peer("events", "--stats", id)), &theirs) != nil {
			t.Fatal("runc's events are no JSON")
		}
		out := b.Corten("events", "--stats", b.ID).OK(b).Stdout
		if err := json.Unmarshal([]byte(out), &ours); err != nil {
			t.Fatal(err)
		}
		have := keys("", ours)
		for _, key := range keys("", theirs) {
			// Left out when they are 0, as these may be of one and not the other.
			if !slices.Contains(have, key) && !strings.Contains(key, "ecursive") && !strings.HasSuffix(key, "/usage") && !strings.HasSuffix(key, "/cache") && !strings.HasSuffix(key, "/max") {
				t.Errorf("runc has %s, which is not in\n%s", key, out)
			}
		}
	})
}

func TestEventsWithoutARunningContainer(t *testing.T) {
	b := bundle.New(t, bundle.Args("true"))
	refused(t, b.Corten("events", b.ID), "container does not exist")
	refused(t, b.Corten("events", "--interval", "0s", b.ID), "duration interval must be greater than 0")
	b.Detach()
	b.WaitStatus("stopped")
	refused(t, b.Corten("events", b.ID), "container with id "+b.ID+" is not running")
	refused(t, b.Corten("events", "--stats", b.ID), "container with id "+b.ID+" is not running")
	if out := b.Corten("events", "--all", "--stats").OK(b).Stdout; out != "" {
		t.Errorf("stats of no container: %s", out)
	}
}

func TestEventsPrintsStatsUntilTheContainerEnds(t *testing.T) {
	inAllViews(t, func(t *testing.T, view bundle.View) {
		b := bundle.New(t, bundle.Probe("pause"))
		b.View = view
		b.Detach()
		p := b.Begin(bundle.Options{}, "events", "--interval=20ms", b.ID)
		if !bundle.Eventually(func() bool { return len(eventsOf(t, p.Stdout())) > 3 }) {
			t.Fatalf("only %s", p.Stdout())
		}
		b.Corten("kill", b.ID, "KILL").OK(b)
		for _, e := range eventsOf(t, p.Wait().OK(b).Stdout) {
			if e.Type != "stats" || e.ID != b.ID {
				t.Errorf("event %+v", e)
			}
		}
	})
}

// Nobody but who goes over the limit may need memory then: a fifo holds the
// payload back.
//
// spec: linux.resources.memory.limit
func TestAPayloadOverItsMemoryLimitYieldsAnOOMEvent(t *testing.T) {
	inViews(t, "memory", func(t *testing.T, view bundle.View) {
		b := limited(t, view, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: bundle.Pointer[int64](32 << 20), Swap: bundle.Pointer[int64](32 << 20)}},
			bundle.Shell("read go < /tmp/go; exec probe alloc 100"))
		hungry(t, b)
		b.Detach() // until delete, its cgroup is there to be read
		p := b.Begin(bundle.Options{}, "events", "--interval", "1h", b.ID)
		polling(t, p)
		for range 2 { // a process of it, and it goes on
			was := strings.Count(p.Stdout(), "\n")
			if r := b.Exec("ID", "probe", "alloc", "100"); r.Status != 137 {
				t.Errorf("exec: status %d: %s", r.Status, r.Stderr)
			}
			ooms(t, b, p, was+1)
		}
		was := strings.Count(p.Stdout(), "\n")
		feed(t, b)
		b.WaitStatus("stopped")
		p.Wait().OK(b)
		ooms(t, b, p, was+1)
	})
}

// The cgroup of a container in the foreground is gone as soon as it has ended.
func TestTheKillThatEndsAContainerIsAnEventEvenWhenItsCgroupIsGone(t *testing.T) {
	inViews(t, "memory", func(t *testing.T, view bundle.View) {
		b := limited(t, view, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: bundle.Pointer[int64](32 << 20), Swap: bundle.Pointer[int64](32 << 20)}},
			bundle.Shell("echo ready; read go < /tmp/go; exec probe alloc 100"))
		hungry(t, b)
		run := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
		run.WaitFor("ready")
		p := b.Begin(bundle.Options{}, "events", "--interval", "1h", b.ID)
		polling(t, p)
		if err := p.Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		feed(t, b)
		if r := run.Wait(); r.Status != 137 {
			t.Errorf("run: status %d: %s", r.Status, r.Stderr)
		}
		if err := p.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		p.Wait().OK(b)
		ooms(t, b, p, 1)
	})
}

func hungry(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	if err := unix.Mkfifo(b.Rootfs("tmp/go"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// feed lets the payload go on.
func feed(t *testing.T, b *bundle.Bundle) {
	t.Helper()
	fifo, err := os.OpenFile(b.Rootfs("tmp/go"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fifo.Close()
}

// ooms expects n events of a lack of memory or more, for the kernel may tell of
// more than one, and no others.
func ooms(t *testing.T, b *bundle.Bundle, p *bundle.Process, n int) {
	t.Helper()
	line := `{"type":"oom","id":"` + b.ID + `"}` + "\n"
	if !bundle.Eventually(func() bool { return strings.Count(p.Stdout(), line) >= n }) || strings.ReplaceAll(p.Stdout(), line, "") != "" {
		t.Fatalf("events: %s, want %d of oom", p.Stdout(), n)
	}
}

func TestEventsOfAllContainersInOneStream(t *testing.T) {
	b := limited(t, bundle.Host, specs.LinuxResources{}, bundle.Probe("pause"))
	b.Detach()
	p := b.Begin(bundle.Options{}, "events", "--all", "--interval", "20ms")
	defer p.Cmd.Process.Kill()
	seen := func(kind, id string, after int) {
		t.Helper()
		if !bundle.Eventually(func() bool {
			text := p.Stdout()
			return slices.ContainsFunc(eventsOf(t, text)[min(after, strings.Count(text, "\n")):], func(e event) bool { return e.Type == kind && e.ID == id })
		}) {
			t.Fatalf("no %s of %s", kind, id)
		}
	}
	seen("stats", b.ID, 0)
	for range 3 { // the same id again, and each time another container
		later := b.AnotherID()
		start := strings.Count(p.Stdout(), "\n")
		for _, id := range []string{later, b.ID} {
			b.Corten("delete", "--force", id).OK(b)
			b.Corten("create", "--bundle", b.Dir, id).OK(b)
			after := strings.Count(p.Stdout(), "\n")
			seen("stats", id, after)
		}
		seen("stats", b.ID, start)
		b.Corten("delete", "--force", later).OK(b)
		// What it prints after the next stats of another is not about the deleted.
		after := strings.Count(p.Stdout(), "\n")
		seen("stats", b.ID, after)
		seen("stats", b.ID, after+3)
		for _, e := range eventsOf(t, p.Stdout())[after+3:] {
			if e.ID == later {
				t.Errorf("an event of a deleted container: %+v", e)
			}
		}
	}
	if has, _ := bundle.Host.Has("memory"); has {
		spec := bundle.Base()
		spec.Process.Args = []string{"probe", "alloc", "100"}
		spec.Linux.Resources.Memory = &specs.LinuxMemory{Limit: bundle.Pointer[int64](32 << 20), Swap: bundle.Pointer[int64](32 << 20)}
		b.Write(spec)
		id := b.AnotherID()
		b.Corten("create", "--bundle", b.Dir, id).OK(b)
		seen("stats", id, 0)
		b.Corten("start", id).OK(b)
		seen("oom", id, 0)
		b.Corten("delete", "--force", id).OK(b)
	}
	all := eventsOf(t, b.Corten("events", "--all", "--stats").OK(b).Stdout)
	if len(all) != 1 || all[0].ID != b.ID {
		t.Errorf("stats of all: %+v", all)
	}
	p.Signal(syscall.SIGTERM)
	if r := p.Wait(); r.Status != 128+int(syscall.SIGTERM) {
		t.Errorf("status %d: %s", r.Status, r.Stderr)
	}
}

// spec: linux.resources.memory.limit
func TestALimitTooSmallForTheStartIsNamedWithWhatWasInUse(t *testing.T) {
	bundle.NeedCorten(t)
	inViews(t, "memory", func(t *testing.T, view bundle.View) {
		b := limited(t, view, specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: bundle.Pointer[int64](8 << 10)}}, bundle.Args("true"))
		for _, verb := range []string{"run", "create"} {
			r := b.Corten(verb, "--bundle", b.Dir, b.ID)
			refused(t, r, "config.json#/linux/resources/memory/limit: container init was OOM-killed (memory limit too low?)")
			refused(t, r, "the limit is 8192 bytes, of which ")
			refused(t, b.Corten("state", b.ID), "container does not exist")
		}
	})
}

// Who is killed for want of memory takes along whom it shares memory with, as an
// executor does with the runtime when it begins. What fills it is not chosen here.
//
// spec: linux.resources.memory.limit
func TestAnExecWithoutMemoryLeftIsNamed(t *testing.T) {
	bundle.NeedCorten(t)
	needResource(t)
	if _, unified := bundle.Host.Has("memory"); !unified {
		t.Skip("no memory controller in cgroup v2: only there a process starts in the container's cgroup")
	}
	for _, above := range []bool{false, true} {
		parent := fmt.Sprintf("/corten-full-%d", os.Getpid())
		b := limited(t, bundle.Host, specs.LinuxResources{}, bundle.Shell("exec 3<>/tmp/go; dd if=/dev/zero of=/dev/shm/f bs=1M count=16 2>/dev/null; echo full; read go <&3"),
			func(s *specs.Spec) {
				s.Process.OOMScoreAdj = bundle.Pointer(-1000)
				s.Linux.CgroupsPath = parent + "/container"
			})
		hungry(t, b)
		run := b.Begin(bundle.Options{}, "run", "--bundle", b.Dir, b.ID)
		run.WaitFor("full")
		group := "/sys/fs/cgroup" + parent
		if !above {
			group += "/container"
		}
		process := *bundle.Base().Process
		process.Args, process.OOMScoreAdj = []string{"true"}, bundle.Pointer(0)
		file := processFile(t, b, &process)
		b.Exec("--process", file, "ID").OK(b)
		for _, spare := range []int{-1024, 0, 16} {
			current, err := os.ReadFile(group + "/memory.current")
			if err != nil {
				t.Fatal(err)
			}
			n, _ := strconv.Atoi(strings.TrimSpace(string(current)))
			if err := os.WriteFile(group+"/memory.max", []byte(strconv.Itoa(n+spare<<10)), 0); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				r := b.Exec("--process", file, "ID")
				if (r.Status != 0 || spare < 0) && (r.Status != 255 || !strings.Contains(r.Stderr, "config.json#/linux/resources/memory/limit: the process ") || !strings.Contains(r.Stderr, "(memory limit too low?)")) {
					t.Errorf("limit above the container's cgroup %v, %d KiB left: status %d, %q", above, spare, r.Status, r.Stderr)
				}
			}
		}
		b.Corten("kill", b.ID, "KILL").OK(b)
		run.Wait()
	}
}

// needResource skips without CAP_SYS_RESOURCE.
func needResource(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	caps, err := strconv.ParseUint(regexp.MustCompile(`CapEff:\s*(\w+)`).FindStringSubmatch(string(text))[1], 16, 64)
	if err != nil || caps>>unix.CAP_SYS_RESOURCE&1 == 0 {
		t.Skip("without CAP_SYS_RESOURCE oom_score_adj cannot be lowered")
	}
}

func TestPsPrintsWhatRuncsPrints(t *testing.T) {
	b := bundle.New(t, bundle.Shell("sleep 60 & exec probe pause"))
	b.Detach()
	waitProcesses(t, b, 2)
	var pids []int
	if err := json.Unmarshal([]byte(b.Corten("ps", "-f", "json", b.ID).OK(b).Stdout), &pids); err != nil || len(pids) != 2 || pids[0] != b.State().PID {
		t.Errorf("pids %v, %v", pids, err)
	}
	for _, words := range [][]string{{"ps", b.ID}, {"ps", b.ID, "-o", "pid,comm"}, {"ps", "--format", "table", b.ID, "aux"}} {
		out := b.Corten(words...).OK(b).Stdout
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != 3 || !strings.Contains(lines[0], "PID") {
			t.Errorf("%v: %s", words, out)
		}
		for i, pid := range pids {
			if len(lines) == 3 && !slices.Contains(strings.Fields(lines[i+1]), strconv.Itoa(pid)) {
				t.Errorf("%v: no %d in %s", words, pid, lines[i+1])
			}
		}
	}
	if r := b.Corten("ps", "-f", "yaml", b.ID); r.Status != 1 || !strings.Contains(r.Stderr, "invalid format option") {
		t.Error(fmt.Sprint(r))
	}
}
