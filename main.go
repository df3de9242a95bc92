// SPDX-License-Identifier: Apache-2.0

// Command corten is a low-level OCI runtime for Linux: it turns a bundle, a
// config.json and a root file system, into a running container.
package main

import (
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"corten/libcontainer"
	"corten/nsenter/entry"
)

// Set by the linker.
var (
	version = "unknown"
	commit  = ""
)

// commands is the table of all commands; definitions are made on demand,
// since a run of corten needs one of them.
var commands = [...]struct {
	name   string
	define func() *cli.Command
}{
	{"check", checkCommand},
	{"create", createCommand},
	{"delete", deleteCommand},
	{"events", eventsCommand},
	{"exec", execCommand},
	{"features", featuresCommand},
	{"kill", killCommand},
	{"list", listCommand},
	{"pause", pauseCommand},
	{"plan", planCommand},
	{"ps", psCommand},
	{"resume", resumeCommand},
	{"run", runCommand},
	{"spec", specCommand},
	{"start", startCommand},
	{"state", stateCommand},
	{"update", updateCommand},
	{"wait", waitCommand},
}

// The main goroutine is on the main thread until it is called. Nobody asks for the
// profile of memory that Go takes samples for.
func init() {
	entry.Release()
	runtime.MemProfileRate = 0
}

func main() {
	if os.Args[0] == libcontainer.KeeperName {
		libcontainer.Keep()
		return
	}
	// Before anything else, so that no descriptor of the caller's gets into a
	// container by accident (CVE-2024-21626). create, run and exec pass the ones
	// they were told to on by number. Go's runtime has opened 0 to 2 already.
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		closeOnExec()
	}
	log := &logger{out: os.Stderr}
	take(os.Args[0])
	err := dispatch(os.Args, log)
	if traceErr := runtimeTrace.Write(); traceErr != nil {
		log.warn("%v", traceErr)
	}
	runtimeTrace.End(statusOf(err, log))
}

// statusOf is the process's exit status, after the last log line.
func statusOf(err error, log *logger) int {
	var status exitStatus
	if err != nil && !errors.As(err, &status) {
		return log.fail(err)
	}
	log.flush()
	return int(status)
}

// closeOnExec does by hand what close_range(2) cannot before Linux 5.11
// (CLOSE_RANGE_CLOEXEC, 582f1fb6b721).
func closeOnExec() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		var limit unix.Rlimit
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
		for fd := 3; fd < int(min(limit.Max, 1<<20)); fd++ {
			unix.CloseOnExec(fd)
		}
		return
	}
	for _, e := range entries {
		if fd, ok := digits(e.Name()); ok && fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
}

// dispatch runs the command that the words of the command line ask for.
func dispatch(words []string, log *logger) error {
	if len(words) == 2 && (words[1] == "--version" || words[1] == "-version" || words[1] == "-v" || words[1] == "-V" && self.name == "crun") {
		return printVersion()
	}
	whole := &cli.Command{Flags: globalFlags()}
	globals, rest := cut(words[1:], whole.Flags)
	if len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	c, err := parse(nil, whole, globals, nil)
	switch {
	case err == flag.ErrHelp:
		return help("")
	case err != nil:
		return err
	case c.Bool("version"):
		return printVersion()
	case len(rest) == 0:
		return help("")
	case rest[0] == "help":
		return help(rest[len(rest)-1])
	}
	if err := configure(c, log); err != nil && rest[0] == "exec" {
		return execError{err}
	} else if err != nil {
		return err
	}
	for _, known := range commands {
		if rest[0] != known.name {
			continue
		}
		command := known.define()
		flags, operands := arrange(rest, command.Flags)
		if c, err = parse(c, command, flags, operands); err == flag.ErrHelp {
			return help(known.name)
		}
		if err == nil {
			return command.Action(c)
		}
		if command.Name == "exec" {
			return execError{err}
		}
		return err
	}
	return &misuse{"", errors.New("no such command: " + rest[0])}
}

// configure sets the log up and refuses impossible global options.
func configure(c *cli.Context, log *logger) error {
	if log.debug = c.Bool("debug"); !log.debug {
		if err := log.setLevel(c.String("log-level")); err != nil {
			return err
		}
	}
	switch format := c.String("log-format"); format {
	case "text":
	case "json":
		log.json = true
	default:
		return errors.New("invalid log-format: " + format)
	}
	if name := c.String("log"); name != "" {
		if err := log.open(name); err != nil {
			return err
		}
	}
	switch c.String("cgroup-manager") {
	case "", "cgroupfs", "systemd", "disabled":
	default:
		return errors.New("--cgroup-manager takes cgroupfs, systemd or disabled, not " + quote(c.String("cgroup-manager")))
	}
	switch c.String("rootless") {
	case "true", "false", "auto":
	default:
		return errors.New("--rootless takes true, false or auto, not " + quote(c.String("rootless")))
	}
	if filepath.Clean(c.String("root")) == "/" {
		return errors.New("--root / is not a directory of containers")
	}
	runtimeLog = log.warn
	if err := setTimeout(c); err != nil {
		return err
	}
	name := c.String("trace")
	if name == "" {
		name = os.Getenv("CORTEN_TRACE")
	}
	if name != "" {
		var err error
		runtimeTrace, err = libcontainer.NewTrace(name)
		return err
	}
	return nil
}

// maxTimeout, in seconds, fits poll(2) in milliseconds.
const maxTimeout = 1_000_000

// setTimeout takes --timeout, or $CORTEN_TIMEOUT.
func setTimeout(c *cli.Context) error {
	seconds := c.Int("timeout")
	if text := os.Getenv("CORTEN_TIMEOUT"); text != "" && !given(c, "timeout") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxTimeout {
			return errors.New("CORTEN_TIMEOUT takes 1 to 1000000 seconds, not " + quote(text))
		}
		seconds = n
	}
	if given(c, "timeout") && (seconds < 1 || seconds > maxTimeout) {
		return errors.New("--timeout takes 1 to 1000000 seconds")
	}
	runtimeTimeout = time.Duration(seconds) * time.Second
	return nil
}

// runtimeTimeout is how long a start may stand still; 0: as long as usual.
var runtimeTimeout time.Duration

// runtimeLog takes the warnings of the commands.
var runtimeLog func(format string, args ...any)

// runtimeTrace is where a command's time went; nil: nobody asks.
var runtimeTrace *libcontainer.Trace

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "root", Value: defaultRoot(), DefaultText: personas[0].root(), Usage: "`DIR` of the containers' state"},
		&cli.StringFlag{Name: "log", Usage: "append log lines to `FILE`, or journald:ID (stderr)"},
		&cli.StringFlag{Name: "log-format", Value: "text", Usage: "format of log lines: `text|json`"},
		&cli.StringFlag{Name: "log-level", Value: "warning", Usage: "log at `LEVEL`: error, warning or debug"},
		&cli.BoolFlag{Name: "debug", Usage: "log warnings at once, even before a failure"},
		&cli.BoolFlag{Name: "systemd-cgroup", Usage: "cgroupsPath is slice:prefix:id of systemd"},
		&cli.StringFlag{Name: "cgroup-manager", Usage: "the `MANAGER` is cgroupfs, systemd or disabled"},
		&cli.StringFlag{Name: "trace", Usage: "append to `FILE` where the time went (CORTEN_TRACE)"},
		&cli.IntFlag{Name: "timeout", Usage: "wait `SECONDS` for a silent file system (CORTEN_TIMEOUT; 120)"},
		&cli.StringFlag{Name: "rootless", Value: "auto", Usage: "whether limits may be left out: `true|false|auto`"},
		&cli.BoolFlag{Name: "version", Aliases: []string{"v"}, Usage: "print the version"},
	}
}

// newRuntime is the runtime of the global options. A user's own root is made.
func newRuntime(c *cli.Context) *libcontainer.Runtime {
	if root := c.String("root"); !given(c, "root") && root != self.root() {
		// The sticky bit keeps systemd-tmpfiles from clearing it.
		if os.MkdirAll(root, 0o700) == nil {
			_ = os.Chmod(root, 0o700|os.ModeSticky)
		}
	}
	return idleRuntime(c)
}

// idleRuntime is newRuntime for a command that makes nothing.
func idleRuntime(c *cli.Context) *libcontainer.Runtime {
	root := c.String("root")
	if abs, err := filepath.Abs(root); err == nil {
		root = abs
	}
	manager := c.String("cgroup-manager")
	return &libcontainer.Runtime{Trace: runtimeTrace, Root: root, SystemdCgroup: manager == "systemd" || manager == "" && c.Bool("systemd-cgroup"),
		NoCgroups: manager == "disabled", Rootless: c.String("rootless"), Timeout: runtimeTimeout, Log: runtimeLog}
}

// defaultRoot is /run/corten for root, else $XDG_RUNTIME_DIR/corten; runc's or
// crun's when corten is called so.
func defaultRoot() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" || os.Geteuid() == 0 && !(userNamespace() && os.Getenv("USER") != "root") {
		return self.root()
	}
	return filepath.Join(dir, self.name)
}

// initialUsers is the inode number of the initial user namespace (PROC_USER_INIT_INO
// of the kernel's proc_ns.h). Its id map is no proof of it: any may have the same.
const initialUsers = 0xEFFFFFFD

// userNamespace says whether corten runs in a user namespace that is not the host's.
func userNamespace() bool {
	var st unix.Stat_t
	return unix.Stat("/proc/self/ns/user", &st) == nil && st.Ino != initialUsers
}
