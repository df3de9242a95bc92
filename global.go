// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"corten/libcontainer"
	"corten/nsenter/plan"
)

// global is what the options before the command say, and where messages go.
type global struct {
	root, log, logFormat, rootless string
	debug, systemdCgroup           bool

	status     int     // of a command that succeeded
	failStatus int     // of one that did not
	held       []entry // warnings, until the command has succeeded
}

// entry is a line of the log, with the keys that engines read.
type entry struct {
	Level string `json:"level"`
	Msg   string `json:"msg"`
	Time  string `json:"time"`
	Code  string `json:"code,omitempty"`
	Field string `json:"field,omitempty"`
	Step  int    `json:"step,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

func (g *global) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "root", Value: defaultRoot(), Destination: &g.root, Usage: "directory of all containers' state"},
		&cli.StringFlag{Name: "log", Destination: &g.log, Usage: "file for messages (default: stderr)"},
		&cli.StringFlag{Name: "log-format", Value: "text", Destination: &g.logFormat, Usage: "text or json"},
		&cli.BoolFlag{Name: "debug", Destination: &g.debug, Usage: "warnings and more in the log"},
		&cli.BoolFlag{Name: "systemd-cgroup", Destination: &g.systemdCgroup, Usage: "let systemd make the cgroups (not supported yet: an error)"},
		&cli.StringFlag{Name: "rootless", Value: "auto", Destination: &g.rootless, Usage: "true, false or auto"},
	}
}

func (g *global) before(*cli.Context) error {
	if g.logFormat != "text" && g.logFormat != "json" {
		format := g.logFormat
		g.logFormat = "text"
		return fmt.Errorf("invalid log-format: %s", format)
	}
	switch g.rootless {
	case "true", "false", "auto":
	default:
		return fmt.Errorf("--rootless %s: want true, false or auto", g.rootless)
	}
	if g.root == "/" {
		return errors.New("--root /: want a directory of its own")
	}
	return nil
}

func (g *global) runtime() *libcontainer.Runtime {
	return &libcontainer.Runtime{Root: g.root, SystemdCgroup: g.systemdCgroup, Rootless: g.rootless, Log: g.warn}
}

// warn keeps a warning. It is written only once the command has succeeded: a
// failure is one line, because that is what engines read.
func (g *global) warn(format string, args ...any) {
	g.held = append(g.held, entry{Level: "warning", Msg: fmt.Sprintf(format, args...)})
}

// flush writes the warnings: into a log file, or with --debug to stderr, which
// is otherwise the container's.
func (g *global) flush() {
	if g.log == "" && !g.debug {
		return
	}
	for _, e := range g.held {
		g.write(e)
	}
}

// fail reports the error that ended the command: one line in the log, and the
// same text on stderr.
func (g *global) fail(err error) {
	e := entry{Level: "error", Msg: err.Error()}
	var p *plan.Error
	if errors.As(err, &p) {
		e.Field, e.Step, e.Hint, e.Code = p.At.String(), p.Step, p.Hint, code(p)
	}
	if g.debug {
		g.flush()
	}
	if g.log != "" {
		g.write(e)
	}
	if g.log != "" || g.logFormat == "text" {
		fmt.Fprintln(os.Stderr, "corten: "+e.Msg)
		if _, termErr := unix.IoctlGetTermios(2, unix.TCGETS); termErr == nil && e.Hint != "" {
			fmt.Fprintln(os.Stderr, "  hint: "+e.Hint)
		}
	} else {
		g.write(e)
	}
}

// code is a stable name of the failure's kind: the system call, or "config".
func code(p *plan.Error) string {
	if p.Step == 0 && p.Op == "" {
		return "config"
	}
	for i, c := range p.Op {
		if c == ' ' {
			return p.Op[:i]
		}
	}
	return p.Op
}

func (g *global) write(e entry) {
	out := os.Stderr
	if g.log != "" {
		f, err := os.OpenFile(g.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_CLOEXEC, 0o644)
		if err != nil {
			fmt.Fprintln(os.Stderr, "corten: --log:", err)
		} else {
			defer f.Close()
			out = f
		}
	}
	e.Time = time.Now().Format(time.RFC3339)
	if g.logFormat == "json" {
		line, err := json.Marshal(e)
		if err == nil {
			out.Write(append(line, '\n'))
		}
		return
	}
	fmt.Fprintf(out, "time=%q level=%s msg=%q\n", e.Time, e.Level, e.Msg)
}

func printVersion(w io.Writer) {
	fmt.Fprintf(w, "corten version %s\ncommit: %s\nspec: 1.3.0\ngo: %s\n", version, commit, runtime.Version())
}
