// SPDX-License-Identifier: Apache-2.0

// Command corten is an OCI low-level runtime: it turns a bundle, a config.json
// and a root file system, into a running container.
package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"corten/libcontainer"
)

// Set by the linker.
var (
	version = "unknown"
	commit  = "unknown"
)

// commands is the one table of verbs: help, parsing and completion come from it.
var commands = [...]struct {
	name, synopsis string
	command        func() *cli.Command
}{
	{"create", "create a container that waits for start", createCommand},
	{"delete", "delete a container that has stopped", deleteCommand},
	{"exec", "run a further process in a container", execCommand},
	{"features", "show what this build handles, as JSON", featuresCommand},
	{"kill", "send a signal to a container", killCommand},
	{"list", "list the containers", listCommand},
	{"plan", "show what create would do, step by step", planCommand},
	{"ps", "list the processes of a container", psCommand},
	{"run", "create and start a container", runCommand},
	{"spec", "write a config.json to begin with", specCommand},
	{"start", "start a created container", startCommand},
	{"state", "show the state of a container, as JSON", stateCommand},
}

// The executor's life is tied to the thread that cloned it (PR_SET_PDEATHSIG
// counts threads, not processes): so all of it happens on the main thread.
func init() { runtime.LockOSThread() }

func main() {
	// Everything ends in a moment and its memory with it; run, which stays,
	// gives the collector back.
	debug.SetGCPercent(-1)
	if err := claimDescriptors(); err != nil {
		fmt.Fprintln(os.Stderr, "corten:", err)
		os.Exit(1)
	}
	os.Exit(command(os.Args))
}

// claimDescriptors makes sure that 0, 1 and 2 are open and that nothing else
// the caller has left open gets any further. Defence against CVE-2024-21626.
// What --preserve-fds hands on is duplicated later, on purpose.
func claimDescriptors() error {
	for fd := range 3 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
			continue
		}
		null, err := unix.Open("/dev/null", unix.O_RDWR, 0)
		if err != nil {
			return fmt.Errorf("open /dev/null: %w", err)
		}
		if null != fd { // a lower one is open, so open(2) gave the lowest free
			return fmt.Errorf("descriptor %d: taken", fd)
		}
	}
	// CLOSE_RANGE_CLOEXEC since Linux 5.11, commit 582f1fb6b721.
	return unix.CloseRange(3, ^uint(0)>>33, unix.CLOSE_RANGE_CLOEXEC)
}

// command runs one command line and returns the exit status.
func command(args []string) int {
	g := &global{failStatus: 1}
	app := newApp(g)
	arranged, err := arrange(app, args)
	if err == nil {
		err = app.Run(arranged)
	}
	if err != nil {
		g.fail(err)
		return g.failStatus
	}
	g.flush()
	return g.status
}

// newApp is the application with the definition of the asked verb alone: those
// of all verbs would cost more than a container's mounts.
func newApp(g *global) *cli.App {
	app := &cli.App{
		Name: "corten", Usage: "run containers from OCI bundles", Version: version, HideHelpCommand: true,
		Flags: g.flags(), Before: g.before, ExitErrHandler: func(*cli.Context, error) {}, Writer: os.Stdout, ErrWriter: io.Discard,
		OnUsageError: usageError, Metadata: map[string]any{"global": g},
		Action: func(c *cli.Context) error {
			if name := c.Args().First(); name != "" {
				return fmt.Errorf("no such command: %s (see corten --help)", name)
			}
			return cli.ShowAppHelp(c)
		},
	}
	cli.VersionPrinter = func(*cli.Context) { printVersion(os.Stdout) }
	return app
}

// addCommand defines the verb name, or all of them for help.
func addCommand(app *cli.App, name string) *cli.Command {
	for i := range commands {
		if commands[i].name == name {
			c := commands[i].command()
			c.Name, c.Usage, c.OnUsageError, c.HideHelpCommand = name, commands[i].synopsis, usageError, true
			app.Commands = append(app.Commands, c)
			return c
		}
	}
	return nil
}

func usageError(_ *cli.Context, err error, _ bool) error {
	return fmt.Errorf("incorrect usage: %w", err)
}

// runtimeOf is the libcontainer.Runtime of the global options.
func runtimeOf(c *cli.Context) *libcontainer.Runtime { return globalOf(c).runtime() }

func globalOf(c *cli.Context) *global { return c.App.Metadata["global"].(*global) }

// oneID takes the container's id and nothing more from the arguments.
func oneID(c *cli.Context) (string, error) {
	if c.NArg() != 1 {
		return "", fmt.Errorf("%s: want exactly one container id, got %d arguments", c.Command.Name, c.NArg())
	}
	return c.Args().First(), nil
}

// defaultRoot is where the state of containers is without --root.
func defaultRoot() string {
	if os.Geteuid() != 0 {
		if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
			return path.Join(dir, "corten")
		}
		return "/tmp/corten-" + strconv.Itoa(os.Geteuid())
	}
	return "/run/corten"
}
