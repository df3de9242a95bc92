// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// compilation is a plan with what it was compiled of.
type compilation struct {
	*Compiled
	name   string
	config *Config
	gate   bool
}

// compilations are those of all golden configs and, of each, of random edits.
func compilations(t *testing.T) (list []compilation) {
	t.Helper()
	files, err := filepath.Glob("../tests/golden/*/config.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden configs: ", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(filepath.Dir(file))
		for i := range 25 {
			config, err := DecodeSpec(raw)
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(uint64(i), uint64(len(name))))
			if i > 0 && !edit(r, config) {
				continue
			}
			host := goldenHost(name)
			if config.Linux.Seccomp != nil {
				host.Seccomp = make([]byte, 64)
				host.SeccompFlags = uint64(r.IntN(2)) * unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
			}
			c := compilation{name: name + " " + strconv.Itoa(i), config: config, gate: r.IntN(2) == 0}
			if strings.HasPrefix(name, "exec") {
				c.gate = false
				if c.Compiled, err = CompileExec(config, config.Process, &ExecOptions{PreserveFDs: r.IntN(3)}, host); err != nil {
					t.Fatal(err)
				}
			} else {
				o := &CreateOptions{ID: "box", Bundle: "/bundle", gate: c.gate, PreserveFDs: r.IntN(3), NoPivot: r.IntN(4) == 0, NoNewKeyring: r.IntN(4) == 0}
				if c.Compiled, err = Compile(config, o, host); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
			}
			list = append(list, c)
		}
	}
	if len(list) < 12*len(files) {
		t.Fatalf("only %d edits are valid configs", len(list))
	}
	return list
}

// edit changes a config at random; false if it is no longer a valid one.
func edit(r *rand.Rand, c *Config) bool {
	s, l := c.Spec, c.Linux
	some := func() bool { return r.IntN(3) == 0 }
	if some() {
		s.Process.NoNewPrivileges = !s.Process.NoNewPrivileges
	}
	if some() {
		s.Process.Terminal = !s.Process.Terminal
	}
	if some() {
		s.Process.Cwd = []string{"/", "/srv/a", "/proc/self/fd/7"}[r.IntN(3)]
	}
	if some() {
		l.Seccomp = &specs.LinuxSeccomp{DefaultAction: specs.ActAllow}
	}
	if some() {
		s.Process.OOMScoreAdj = new(100)
	}
	if some() {
		l.MaskedPaths = l.MaskedPaths[:r.IntN(len(l.MaskedPaths)+1)]
	}
	if some() {
		l.ReadonlyPaths = append(l.ReadonlyPaths, "/srv", "/dev/pts/x")
	}
	if some() {
		l.RootfsPropagation = []string{"shared", "rprivate", "slave"}[r.IntN(3)]
	}
	if some() {
		l.Devices = append(l.Devices, specs.LinuxDevice{Path: []string{"/dev/fuse", "/dev/null", "/opt/x"}[r.IntN(3)], Type: "c", Major: 10, Minor: 229, UID: new(uint32(3))})
	}
	if some() {
		l.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "net/ipv4/conf/a.b/mtu": "2"}
	}
	if some() {
		s.Hooks = &specs.Hooks{CreateContainer: []specs.Hook{{Path: "/h"}}, StartContainer: []specs.Hook{{Path: "/i", Timeout: new(3)}, {Path: "/j"}}}
	}
	if some() && len(l.Namespaces) > 0 {
		i := r.IntN(len(l.Namespaces))
		if l.Namespaces[i].Type != specs.MountNamespace {
			l.Namespaces[i].Path = "/run/ns/x"
		}
	}
	if some() && len(s.Mounts) > 0 {
		s.Mounts = slices.Delete(s.Mounts, 0, r.IntN(len(s.Mounts)))
	}
	for _, m := range []specs.Mount{
		{Destination: "/x/y", Source: "src", Options: []string{"rbind", "rro", "noatime"}}, {Destination: "/dev/pts/x", Source: "/y", Type: "bind"},
		{Destination: "/dev", Type: "tmpfs", Options: []string{"ro"}}, {Destination: "/dev", Type: "bind", Source: "/dev"},
		{Destination: "/proc/meminfo", Source: "/z", Options: []string{"bind", "shared"}}, {Destination: "/cg", Type: "cgroup", Options: []string{"ro"}},
		{Destination: "/sys", Type: "sysfs"}, {Destination: "/x", Options: []string{"remount", "nodev", "rslave"}},
	} {
		if some() {
			s.Mounts = slices.Insert(s.Mounts, r.IntN(len(s.Mounts)+1), m)
		}
	}
	return validate(s) == nil
}

// index is the first step of op from position from on, or -1.
func (c *compilation) index(op plan.Op, from int) int {
	for i := from; i < len(c.Steps); i++ {
		if c.Steps[i].Op == op {
			return i
		}
	}
	return -1
}

func isPrctl(s *plan.Step, option, value uint64) bool {
	return s.Op == plan.OpPrctl && s.Args[0] == option && s.Args[1] == value
}

func TestCloseRangeIsTheLastStepBeforeExecve(t *testing.T) {
	for _, c := range compilations(t) {
		n := len(c.Steps)
		kept := 3
		for _, in := range c.Inputs {
			if in.Kind == plan.KindInherited {
				kept++
			}
		}
		last, before := c.Steps[n-1], c.Steps[n-2]
		if last.Op != plan.OpExecve || before.Op != plan.OpCloseRange || before.Args[0] != uint64(kept) || before.When != plan.None || before.Else || before.Tolerate != nil {
			t.Errorf("%s: the end is %s, %s", c.name, before.Call(), last.Call())
		}
		for fd := 3; fd < kept; fd++ {
			if !slices.ContainsFunc(c.Steps, func(s plan.Step) bool { return s.Op == plan.OpDup3 && s.Args[1] == uint64(fd) }) {
				t.Errorf("%s: descriptor %d is kept but not placed", c.name, fd)
			}
		}
	}
}

func TestTheExecutorDiesWithTheRuntimeFromTheFirstStepToTheLast(t *testing.T) {
	for _, c := range compilations(t) {
		if !isPrctl(&c.Steps[0], unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL)) || c.Steps[1].Op != plan.OpUmask || c.Steps[1].Args[0] != uint64(0) {
			t.Errorf("%s: begins with %s, %s", c.name, c.Steps[0].Call(), c.Steps[1].Call())
		}
		armed := false
		commit := c.index(plan.OpLookup, 0)
		for i := range c.Steps {
			s := &c.Steps[i]
			switch {
			case isPrctl(s, unix.PR_SET_PDEATHSIG, uint64(unix.SIGKILL)):
				armed = true
			case isPrctl(s, unix.PR_SET_PDEATHSIG, 0):
				if armed = false; i < commit {
					t.Errorf("%s: step %d lets the executor live on", c.name, i+1)
				}
			// The kernel forgets it with the user, and a new process has none.
			case s.Op == plan.OpSetresuid || s.Op == plan.OpFork:
				armed = false
			case s.Op == plan.OpGate || s.Op == plan.OpLookup:
				if !armed {
					t.Errorf("%s: at step %d, %s, the executor would outlive the runtime", c.name, i+1, s.Call())
				}
			}
		}
		if armed {
			t.Errorf("%s: the payload would die with the runtime", c.name)
		}
	}
}

func TestNobodyMayTraceTheExecutorInTheContainer(t *testing.T) {
	for _, c := range compilations(t) {
		dumpable := true
		for i := range c.Steps {
			switch s := &c.Steps[i]; {
			case isPrctl(s, unix.PR_SET_DUMPABLE, 0):
				dumpable = false
			case s.Op == plan.OpSetresuid:
				dumpable = true
			case dumpable && (s.Op == plan.OpMoveMount || s.Op == plan.OpGate || s.Op == plan.OpLookup || s.Op == plan.OpFchdir):
				t.Errorf("%s: step %d, %s, while it can be traced", c.name, i+1, s.Call())
			}
		}
	}
}

// Without new privileges the filter is loaded after the last wait for the
// runtime; but one with a listener before it, as the runtime passes that on.
func TestTheFilterComesBeforeTheCapabilitiesGoUnlessThereAreNoNewPrivileges(t *testing.T) {
	seen := map[string]int{}
	for _, c := range compilations(t) {
		op := plan.OpSeccomp
		listens := c.index(plan.OpSeccompListen, 0) >= 0
		if listens {
			op = plan.OpSeccompListen
		}
		filter, drop, commit := c.index(op, 0), c.index(plan.OpCapbset, 0), c.index(plan.OpLookup, 0)+1
		if c.config.Linux.Seccomp == nil {
			if filter >= 0 {
				t.Errorf("%s: a filter nobody asked for", c.name)
			}
			continue
		}
		if c.index(op, filter+1) >= 0 || filter < 0 || listens != slices.Contains(c.barriers, barrierListener) {
			t.Fatalf("%s: no filter, two, or one the runtime does not know of", c.name)
		}
		if !c.config.Process.NoNewPrivileges {
			if seen["without"]++; filter > drop {
				t.Errorf("%s: filter at %d, capabilities dropped at %d", c.name, filter, drop)
			}
			continue
		}
		wait := plan.OpBarrier
		if c.gate {
			wait = plan.OpGate
		}
		if listens {
			commit++
		}
		privs := c.index(plan.OpNoNewPrivs, 0)
		if seen[fmt.Sprint("with ", listens)]++; c.Steps[commit].Op != wait || listens != (filter < commit) || privs < 0 || privs > filter {
			t.Errorf("%s: no_new_privs at %d, %s at %d, filter at %d", c.name, privs, c.Steps[commit].Call(), commit, filter)
		}
		if run := c.index(plan.OpRun, commit); run >= 0 && run < filter {
			t.Errorf("%s: a hook of start runs before the filter", c.name)
		}
	}
	if seen["with true"] == 0 || seen["with false"] == 0 || seen["without"] == 0 {
		t.Errorf("not all cases: %v", seen)
	}
}

func TestNoNewPrivilegesAreSetExactlyWhenAskedFor(t *testing.T) {
	for _, c := range compilations(t) {
		if got := c.index(plan.OpNoNewPrivs, 0) >= 0; got != c.config.Process.NoNewPrivileges {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// isDefault reports whether at is a field that has an effect although config.json does
// not have it, because the specification or the kernel has a default.
func isDefault(c *compilation, at string) bool {
	switch at {
	case "/linux/rootfsPropagation", "/linux/devices", "/process/user/additionalGids", "/process/user/umask",
		"/process/capabilities", "/process/capabilities/bounding", "/process/capabilities/ambient":
		return true
	case "/linux/uidMappings":
		return c.index(plan.OpBarrier, 0) >= 0
	}
	return strings.HasPrefix(at, "/mounts/") && (strings.HasSuffix(at, "/options") || strings.HasSuffix(at, "/type"))
}

func TestEveryPointerIsAFieldOfTheConfig(t *testing.T) {
	for _, c := range compilations(t) {
		b, err := json.Marshal(c.config.Spec)
		if err != nil {
			t.Fatal(err)
		}
		var document any
		if err := json.Unmarshal(b, &document); err != nil {
			t.Fatal(err)
		}
		check := func(what interface{ Call() string }, at plan.Pointer) {
			if text := at.String(); !has(document, text) && !isDefault(&c, text) {
				t.Errorf("%s: %s comes from %s, which is not there", c.name, what.Call(), text)
			}
		}
		for i := range c.Inputs {
			check(&c.Inputs[i], c.Inputs[i].At)
		}
		for i := range c.Steps {
			check(&c.Steps[i], c.Steps[i].At)
		}
	}
}

// has follows a JSON pointer.
func has(document any, at string) bool {
	if at == "" {
		return true
	}
	for part := range strings.SplitSeq(at[1:], "/") {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch v := document.(type) {
		case map[string]any:
			next, there := v[part]
			if !there {
				return false
			}
			document = next
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(v) {
				return false
			}
			document = v[i]
		default:
			return false
		}
	}
	return true
}

func TestPathsBelowTheRootGoThroughADescriptor(t *testing.T) {
	for _, c := range compilations(t) {
		for i := range c.Steps {
			s := &c.Steps[i]
			for j, arg := range s.Args {
				name, isString := arg.(string)
				if !isString || name == "" {
					continue
				}
				switch s.Op {
				case plan.OpOpenat2, plan.OpTarget, plan.OpTargetFor, plan.OpMkdirat, plan.OpMknodat, plan.OpUnlinkat, plan.OpFchownat:
					if s.Args[0] != plan.Cwd && (filepath.IsAbs(name) || strings.HasPrefix(name, "..")) || s.Args[0] == plan.Cwd && !hostPath(s, name) {
						t.Errorf("%s: step %d, %s", c.name, i+1, s.Call())
					}
				case plan.OpSymlinkat: // its first string is what the link says
					if j == 2 && (filepath.IsAbs(name) || s.Args[1] == plan.Cwd) {
						t.Errorf("%s: step %d, %s", c.name, i+1, s.Call())
					}
				case plan.OpMount, plan.OpUmount2, plan.OpChdir, plan.OpChroot:
					if s.Op == plan.OpChdir && s.At.String() == "/hooks/createContainer" {
						continue // the bundle, for programs of the host
					}
					if name != "/" && name != "." && !(s.Op == plan.OpUmount2 && (name == "/proc" || name == "/sys")) {
						t.Errorf("%s: step %d, %s", c.name, i+1, s.Call())
					}
				case plan.OpFsopen, plan.OpFsconfig, plan.OpSethostname, plan.OpSetdomainname, plan.OpKeyctlSession, plan.OpCheckLabel, plan.OpSendFd, plan.OpRun, plan.OpWarn:
				default:
					t.Errorf("%s: step %d has a path: %s", c.name, i+1, s.Call())
				}
			}
		}
	}
}

// hostPath: what may be opened by a path is the root itself and, while it is
// still the host's, a file of the kernel and the null device.
func hostPath(s *plan.Step, name string) bool {
	return name == "/" || name == "/dev/null" && s.At.String() == "/linux/maskedPaths" || name == "/proc/self/timens_offsets" ||
		name == "/proc" && strings.HasPrefix(s.At.String(), "/linux/sysctl")
}

// simulate runs the steps as the executor does, with random outcomes where a
// failure is tolerated, and checks every use of a slot.
func simulate(c *compilation, r *rand.Rand) error {
	full, taken := map[plan.Slot]bool{plan.Cwd: true}, map[plan.Slot]bool{plan.Cwd: true}
	for i := range c.Inputs {
		full[plan.Slot(i)], taken[plan.Slot(i)] = true, true
	}
	tolerated := false
	for i := range c.Steps {
		s := &c.Steps[i]
		letters := signature(s)
		runs := (!s.Else || tolerated) && (s.When == plan.None || full[s.When] != s.Unless)
		if s.When != plan.None && !taken[s.When] {
			return fmt.Errorf("step %d asks for %s, which nothing fills", i+1, s.When)
		}
		for j, letter := range letters {
			if slot, _ := s.Args[j].(plan.Slot); letter == 'f' {
				if !taken[slot] {
					return fmt.Errorf("step %d, %s, uses a slot that nothing fills", i+1, s.Call())
				}
				runs = runs && full[slot]
			}
		}
		for j, letter := range letters {
			if letter == 'F' {
				taken[s.Args[j].(plan.Slot)] = true
			}
		}
		if !runs {
			continue
		}
		if tolerated = len(s.Tolerate) > 0 && r.IntN(2) == 0; tolerated {
			continue
		}
		for j, letter := range letters {
			if letter == 'F' && full[s.Args[j].(plan.Slot)] {
				return fmt.Errorf("step %d, %s, fills a slot that is full", i+1, s.Call())
			}
		}
		switch s.Op {
		case plan.OpClose:
			full[s.Args[0].(plan.Slot)] = false
		case plan.OpFstat:
			full[s.Args[0].(plan.Slot)] = false
			full[s.Args[1+r.IntN(2)].(plan.Slot)] = true
		default:
			for j, letter := range letters {
				if letter == 'F' {
					full[s.Args[j].(plan.Slot)] = true
				}
			}
		}
	}
	return nil
}

// signature tells the slots a step uses, f, from those it fills, F, by the
// printed form: those come after an arrow.
func signature(s *plan.Step) []byte {
	if letters, known := signatures[s.Op]; known {
		return letters
	}
	fills := strings.Count(s.Call(), " → ")
	letters := make([]byte, len(s.Args))
	for j := len(s.Args) - 1; j >= 0; j-- {
		letters[j] = '-'
		if _, is := s.Args[j].(plan.Slot); is {
			if letters[j] = 'f'; fills > 0 {
				letters[j], fills = 'F', fills-1
			}
		}
	}
	signatures[s.Op] = letters
	return letters
}

var signatures = map[plan.Op][]byte{}

func TestNoStepUsesASlotThatWasNeverFilledNorFillsOneThatIsFull(t *testing.T) {
	for _, c := range compilations(t) {
		for i := range 30 {
			if err := simulate(&c, rand.New(rand.NewPCG(7, uint64(i)))); err != nil {
				t.Errorf("%s: %v", c.name, err)
				break
			}
		}
	}
}

// Slots are descriptors above the ones the payload gets: close_range covers
// what is still open. But nothing of the host may be, when the gate is reached,
// save what startContainer hooks are to write to.
func TestNoDescriptorOfTheHostIsOpenAtTheGate(t *testing.T) {
	for _, c := range compilations(t) {
		end := c.index(plan.OpLookup, 0)
		for i, in := range c.Inputs {
			if in.Kind == plan.KindInherited || in.Kind == plan.KindGate || in.Kind == plan.KindAppend || in.At.String() == "/root/path" {
				continue
			}
			closed := slices.ContainsFunc(c.Steps[:end], func(s plan.Step) bool {
				return (s.Op == plan.OpClose || s.Op == plan.OpFstat) && s.Args[0] == plan.Slot(i)
			})
			if !closed {
				t.Errorf("%s: %s stays open", c.name, in.Call())
			}
		}
	}
}

func TestAMountNamespaceIsRequired(t *testing.T) {
	raw, err := os.ReadFile("../tests/golden/default/config.json")
	if err != nil {
		t.Fatal(err)
	}
	config, err := DecodeSpec(raw)
	if err != nil {
		t.Fatal(err)
	}
	config.Linux.Namespaces = slices.DeleteFunc(config.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.MountNamespace })
	_, err = Compile(config, &CreateOptions{ID: "box", Bundle: "/bundle"}, goldenHost("default"))
	if err == nil || !strings.Contains(err.Error(), "#/linux/namespaces: a mount namespace is required") {
		t.Errorf("got %v", err)
	}
}
