// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/tests/bundle"
)

// spec: process.args, process.env
func TestThePayloadSeesOnlyWhatItWasGiven(t *testing.T) {
	b := bundle.New(t, bundle.Probe("report", "a b", "", "é\n\"x"), func(s *specs.Spec) {
		s.Process.Env = []string{"PATH=/bin", "A=1", "EMPTY=", "B=x y=z", "HOME=/root"}
	})
	r := b.Report()
	if want := []string{"/bin/probe", "report", "a b", "", "Ã©\n\"x"}; !slices.Equal(r.Args, want) {
		t.Errorf("args %q, want %q", r.Args, want)
	}
	if want := []string{"PATH=/bin", "A=1", "EMPTY=", "B=x y=z", "HOME=/root"}; !slices.Equal(r.Env, want) {
		t.Errorf("env %q, want %q", r.Env, want)
	}
	for _, fd := range r.FDs {
		if fd.FD > 2 {
			t.Errorf("descriptor %d is open: %s", fd.FD, fd.Link)
		}
	}
	if len(r.FDs) != 3 {
		t.Errorf("descriptors %+v", r.FDs)
	}
	if r.PID != 1 || r.SID != 1 || r.PGID != 1 {
		t.Errorf("pid %d, session %d, group %d", r.PID, r.SID, r.PGID)
	}
	for _, field := range []string{"SigBlk", "SigIgn", "SigPnd", "ShdPnd"} {
		if got := strings.Trim(r.Status(field), "0"); got != "" {
			t.Errorf("%s is %s", field, got)
		}
	}
	if r.Self["exe"] != "/bin/probe" || r.Self["root"] != "/" {
		t.Errorf("/proc/self: %v", r.Self)
	}
}

// spec: hostname, domainname
func TestHostnameAndDomainnameAreSet(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Hostname, s.Domainname = "gate", "example.org" })
	r := b.Report()
	if r.Hostname != "gate" {
		t.Errorf("hostname %q", r.Hostname)
	}
	if bundle.IsCorten(t) && r.Domainname != "example.org" { // newer than Debian's runc
		t.Errorf("domainname %q", r.Domainname)
	}
}

// spec: process.cwd
func TestCwdIsEnteredAndMadeIfMissing(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.Cwd = "/var/lib/made" })
	if r := b.Report(); r.Cwd != "/var/lib/made" {
		t.Errorf("cwd %q", r.Cwd)
	}
}

// spec: process.user.uid, process.user.gid, process.user.umask, process.user.additionalGids
func TestUserGroupsAndUmaskAreExact(t *testing.T) {
	for _, user := range []specs.User{
		{UID: 1000, GID: 1001, AdditionalGids: []uint32{5, 6}, Umask: bundle.Pointer[uint32](0o027)},
		{UID: 4000000000, GID: 2147483648},
		{UID: 0, GID: 0, AdditionalGids: []uint32{}},
		{UID: 4294967294, GID: 4294967294, AdditionalGids: []uint32{4294967294}},
	} {
		if user.UID > 1<<31 && !bundle.IsCorten(t) {
			continue // beyond Debian's runc
		}
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.User = user })
		r := b.Report()
		if got, want := r.Status("Uid"), repeat(user.UID); got != want {
			t.Errorf("Uid %s, want %s", got, want)
		}
		if got, want := r.Status("Gid"), repeat(user.GID); got != want {
			t.Errorf("Gid %s, want %s", got, want)
		}
		var groups []string
		for _, g := range user.AdditionalGids {
			groups = append(groups, decimal(g))
		}
		if got, want := r.Status("Groups"), strings.Join(groups, " "); got != want {
			t.Errorf("Groups %q, want %q", got, want)
		}
		if user.Umask != nil && r.Umask != int(*user.Umask) {
			t.Errorf("umask %o, want %o", r.Umask, *user.Umask)
		}
		if user.Umask == nil && r.Umask != 0o022 {
			t.Errorf("umask %o without one asked for, want 022", r.Umask)
		}
	}
}

// spec: process.capabilities.bounding, process.capabilities.permitted, process.capabilities.inheritable, process.capabilities.ambient
func TestCapabilitySetsAreExact(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) {
		s.Process.Capabilities = &specs.LinuxCapabilities{
			Bounding:    []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SYS_CHROOT"},
			Permitted:   []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"},
			Inheritable: []string{"CAP_CHOWN", "CAP_KILL"},
			Effective:   []string{"CAP_KILL"},
			Ambient:     []string{"CAP_CHOWN"},
		}
		s.Process.User = specs.User{UID: 1000, GID: 1000}
	})
	r := b.Report()
	// execve of a program without file capabilities by uid 1000 leaves the
	// ambient set, capabilities(7).
	for set, want := range map[string]uint64{
		"Bnd": 1<<unix.CAP_CHOWN | 1<<unix.CAP_KILL | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_CHROOT,
		"Inh": 1<<unix.CAP_CHOWN | 1<<unix.CAP_KILL,
		"Amb": 1 << unix.CAP_CHOWN, "Prm": 1 << unix.CAP_CHOWN, "Eff": 1 << unix.CAP_CHOWN,
	} {
		if got := r.Caps(set); got != want {
			t.Errorf("Cap%s %x, want %x", set, got, want)
		}
	}
	if r.Securebits != 0 {
		t.Errorf("securebits %#x", r.Securebits)
	}
}

// spec: process.capabilities.bounding
func TestRootGetsTheBoundingAndInheritableSetsOnly(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), bundle.Capabilities("CAP_KILL"))
	r := b.Report()
	for set, want := range map[string]uint64{"Bnd": 1 << 5, "Prm": 1 << 5, "Eff": 1 << 5, "Inh": 0, "Amb": 0} {
		if got := r.Caps(set); got != want {
			t.Errorf("Cap%s %x, want %x", set, got, want)
		}
	}
}

// spec: process.capabilities.bounding
func TestNoCapabilitiesMeansNone(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.Capabilities = &specs.LinuxCapabilities{} })
	r := b.Report()
	for _, set := range []string{"Bnd", "Prm", "Eff", "Inh", "Amb"} {
		if got := r.Caps(set); got != 0 {
			t.Errorf("Cap%s %x", set, got)
		}
	}
}

// execve makes new effective and permitted sets; what the config says shows in
// who calls it, waiting to be started.
//
// spec: process.capabilities.effective, process.capabilities.permitted, process.capabilities.inheritable
func TestWhoCallsExecveHasTheSetsOfTheConfiguration(t *testing.T) {
	for _, uid := range []uint32{0, 1000} {
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) {
			s.Process.User.UID = uid
			s.Process.Capabilities = &specs.LinuxCapabilities{
				Bounding: []string{"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"}, Permitted: []string{"CAP_CHOWN", "CAP_KILL"},
				Effective: []string{"CAP_KILL"}, Inheritable: []string{"CAP_CHOWN"},
			}
		})
		b.Create()
		r := bundle.Report{Files: map[string]string{"/proc/self/status": b.Raw("/proc/" + decimal(uint32(b.State().PID)) + "/status")}}
		for set, want := range map[string]uint64{"Bnd": 1<<unix.CAP_CHOWN | 1<<unix.CAP_KILL | 1<<unix.CAP_NET_RAW,
			"Prm": 1<<unix.CAP_CHOWN | 1<<unix.CAP_KILL, "Eff": 1 << unix.CAP_KILL, "Inh": 1 << unix.CAP_CHOWN, "Amb": 0} {
			if got := r.Caps(set); got != want {
				t.Errorf("uid %d: Cap%s %x, want %x", uid, set, got, want)
			}
		}
	}
}

func TestAnUnknownCapabilityIsAWarning(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), bundle.Capabilities("CAP_KILL", "CAP_FLY"))
	log := b.Home + "/log"
	r := b.Corten("--log", log, "--log-format", "json", "run", "--bundle", b.Dir, b.ID).OK(b)
	if got := bundle.ParseReport(t, r.Stdout).Caps("Bnd"); got != 1<<5 {
		t.Errorf("CapBnd %x", got)
	}
	if text := b.Text(log); !strings.Contains(text, "CAP_FLY") || !strings.Contains(text, `"warning"`) {
		t.Errorf("log %q", text)
	}
}

// Each of the 16 is set to what the caller may set: a limit he has, or a lower
// one, and the soft one below it.
//
// spec: process.rlimits[].type, process.rlimits[].soft, process.rlimits[].hard
func TestRlimitsAreSet(t *testing.T) {
	names := []string{"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"}
	least := map[string]uint64{"CPU": 100, "FSIZE": 1 << 30, "DATA": 1 << 26, "STACK": 1 << 20, "NPROC": 100, "NOFILE": 64, "AS": 1 << 30}
	for _, userNS := range []bool{false, true} {
		for step := range uint64(2) { // soft and hard alike, and not
			var limits []specs.POSIXRlimit
			for number, name := range names {
				var mine unix.Rlimit
				if err := unix.Prlimit(os.Getpid(), number, nil, &mine); err != nil {
					t.Fatal(err)
				}
				hard := least[name] + 10
				if name == "RTTIME" {
					hard = 5000000
				}
				hard = min(hard, mine.Max) // without CAP_SYS_RESOURCE it cannot be raised
				limits = append(limits, specs.POSIXRlimit{Type: "RLIMIT_" + name, Soft: hard - min(hard, step), Hard: hard})
			}
			edits := []bundle.Edit{bundle.Probe(), func(s *specs.Spec) { s.Process.Rlimits = limits }}
			if userNS {
				edits = append(edits, bundle.UserNamespace(100000))
			}
			r := bundle.New(t, edits...).Report()
			for number, l := range limits {
				if got := r.Rlimits[number]; got.Soft != l.Soft || got.Hard != l.Hard {
					t.Errorf("user namespace %v: %s is %+v, want %d and %d", userNS, l.Type, got, l.Soft, l.Hard)
				}
			}
		}
	}
}

// spec: process.rlimits[].soft, process.rlimits[].hard
func TestAnUnlimitedRlimitIsTheLargestNumber(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) {
		s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CPU", Soft: 3600, Hard: unix.RLIM_INFINITY}, {Type: "RLIMIT_RSS", Soft: unix.RLIM_INFINITY, Hard: unix.RLIM_INFINITY}}
	})
	r := b.Report()
	if cpu, rss := r.Rlimits[unix.RLIMIT_CPU], r.Rlimits[unix.RLIMIT_RSS]; cpu.Soft != 3600 || cpu.Hard != unix.RLIM_INFINITY || rss.Soft != unix.RLIM_INFINITY {
		t.Errorf("RLIMIT_CPU %+v, RLIMIT_RSS %+v", cpu, rss)
	}
}

// In a user namespace, too.
//
// spec: process.rlimits[].hard
func TestAHardLimitAboveTheCallersTakesTheRightToRaiseIt(t *testing.T) {
	bundle.NeedCorten(t)
	low := bundle.Options{Wrap: []string{"sh", "-c", `ulimit -n 500; exec "$@"`, "sh"}}
	var data [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &data[0]); err != nil {
		t.Fatal(err)
	}
	may := data[0].Effective>>unix.CAP_SYS_RESOURCE&1 != 0
	for _, userNS := range []bool{false, true} {
		edits := []bundle.Edit{bundle.Probe(), func(s *specs.Spec) {
			s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_CORE"}, {Type: "RLIMIT_NOFILE", Soft: 700, Hard: 900}}
		}}
		if userNS {
			edits = append(edits, bundle.UserNamespace(100000))
		}
		b, there := bundle.New(t, edits...), bundle.New(t, append(edits, bundle.Probe("pause"))...)
		there.Detach()
		for _, r := range []bundle.Result{b.CortenWith(low, "run", "--bundle", b.Dir, b.ID), there.CortenWith(low, "exec", there.ID, "probe")} {
			if !may {
				if r.Status == 0 || !strings.Contains(r.Stderr, "#/process/rlimits/1: prlimit ") || !strings.Contains(r.Stderr, "CAP_SYS_RESOURCE") {
					t.Errorf("user namespace %v: status %d: %s", userNS, r.Status, r.Stderr)
				}
			} else if got := bundle.ParseReport(t, r.OK(b).Stdout).Rlimits[unix.RLIMIT_NOFILE]; got.Soft != 700 || got.Hard != 900 {
				t.Errorf("user namespace %v: %+v", userNS, got)
			}
		}
	}
}

func TestLimitsNotAskedForAreTheCallers(t *testing.T) {
	var mine unix.Rlimit
	if err := unix.Prlimit(os.Getpid(), unix.RLIMIT_NOFILE, nil, &mine); err != nil {
		t.Fatal(err)
	}
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.Rlimits = nil })
	// A shell in between: what a Go program starts has the limit it was born with.
	p := b.CortenWith(bundle.Options{Wrap: []string{"sh", "-c", `ulimit -S -n 77; exec "$@"`, "sh"}}, "run", "--bundle", b.Dir, b.ID)
	if got := bundle.ParseReport(t, p.OK(b).Stdout).Rlimits[unix.RLIMIT_NOFILE]; got.Soft != 77 && bundle.IsCorten(t) {
		t.Errorf("RLIMIT_NOFILE is %+v, want 77 and %d", got, mine.Max)
	}
}

// spec: process.noNewPrivileges
func TestNoNewPrivilegesIsAsAsked(t *testing.T) {
	for _, asked := range []bool{false, true} {
		b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.NoNewPrivileges = asked })
		if got := b.Report().Status("NoNewPrivs") == "1"; got != asked {
			t.Errorf("NoNewPrivs is %v, want %v", got, asked)
		}
	}
}

// spec: process.oomScoreAdj
func TestOOMScoreAdjIsSet(t *testing.T) {
	b := bundle.New(t, bundle.Probe(), func(s *specs.Spec) { s.Process.OOMScoreAdj = bundle.Pointer(321) })
	if got := strings.TrimSpace(b.Report().Files["/proc/self/oom_score_adj"]); got != "321" {
		t.Errorf("oom_score_adj %q", got)
	}
}

func TestPreservedDescriptorsAndNoOthersReachThePayload(t *testing.T) {
	b := bundle.New(t, bundle.Probe())
	var files []*os.File
	for _, name := range []string{"three", "four", "five", "six"} {
		f, err := os.Create(b.Home + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	r := b.CortenWith(bundle.Options{ExtraFiles: files}, "run", "--preserve-fds", "2", "--bundle", b.Dir, b.ID).OK(b)
	var links []string
	for _, fd := range bundle.ParseReport(t, r.Stdout).FDs {
		if fd.FD > 2 {
			links = append(links, fd.Link)
		}
	}
	if want := []string{b.Home + "/three", b.Home + "/four"}; !slices.Equal(links, want) {
		t.Errorf("beyond 2 there are %q, want %q", links, want)
	}
}

func TestListenFdsArePassedOn(t *testing.T) {
	b := bundle.New(t, bundle.Probe())
	f, err := os.Create(b.Home + "/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := b.CortenWith(bundle.Options{ExtraFiles: []*os.File{f},
		Wrap: []string{"sh", "-c", `LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=$$ exec "$@"`, "sh"}}, "run", "--bundle", b.Dir, b.ID).OK(b)
	report := bundle.ParseReport(t, r.Stdout)
	if len(report.FDs) != 4 || report.FDs[3].Link != b.Home+"/socket" {
		t.Errorf("descriptors %+v", report.FDs)
	}
	if !slices.Contains(report.Env, "LISTEN_FDS=1") || !slices.Contains(report.Env, "LISTEN_PID=1") || !slices.Contains(report.Env, "LISTEN_FDNAMES=web") {
		t.Errorf("env %q", report.Env)
	}
}

// Neither the runtime nor the executor has a page that can be written and executed.
func TestNoPageIsWritableAndExecutable(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.New(t, bundle.Probe("pause"))
	b.Create()
	waiting := b.Begin(bundle.Options{}, "wait", b.ID)
	for name, pid := range map[string]int{"executor": b.State().PID, "runtime": waiting.Cmd.Process.Pid} {
		text := b.Raw(fmt.Sprintf("/proc/%d/maps", pid))
		code := false
		for line := range strings.Lines(text) {
			code = code || strings.Contains(line, " r-xp ")
			if _, mode, _ := strings.Cut(line, " "); mode[1] == 'w' && mode[2] == 'x' {
				t.Errorf("%s: %s", name, line)
			}
		}
		if !code {
			t.Errorf("%s: no code in\n%s", name, text)
		}
	}
	b.Corten("delete", "--force", b.ID).OK(b)
	waiting.Wait()
}
