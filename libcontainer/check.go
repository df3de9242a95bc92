// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// Severities of a Finding.
const (
	SeverityError   = "error"   // create or start would fail
	SeverityWarning = "warning" // it would not, but this may not be what was meant
)

// Finding is what check has to say about one field, or, without a pointer,
// about the bundle or the host.
type Finding struct {
	Pointer  string `json:"pointer"` // JSON pointer into config.json (RFC 6901)
	Severity string `json:"severity"`
	Text     string `json:"text"`
	Hint     string `json:"hint,omitempty"`
}

// String is the finding in one line.
func (f Finding) String() string {
	text := f.Severity + ": config.json"
	if f.Pointer != "" {
		text += "#" + f.Pointer
	}
	text += ": " + f.Text
	if f.Hint != "" {
		text += " (" + f.Hint + ")"
	}
	return text
}

// maxFindings bounds the errors that are looked for.
const maxFindings = 100

// check is the work of Check.
type check struct {
	r        *Runtime
	o        *CreateOptions
	draft    *draft
	findings []Finding
}

// Check finds all that create would fail for, and what it would warn of, errors
// first. It has no rules of its own: it does what create does, without
// what would last, and takes the value create stumbles over out of the
// document to see what comes next.
func (r *Runtime) Check(o CreateOptions) []Finding {
	if o.ID == "" {
		o.ID = "ID"
	}
	o.gate, o.explain, o.dry = true, true, true
	own := *r
	c := &check{r: &own, o: &o}
	own.Log = func(format string, args ...any) { c.warnText(format, args...) }
	runtime.LockOSThread() // which the rehearsal's executor ends with
	defer runtime.UnlockOSThread()
	c.run()
	slices.SortStableFunc(c.findings, func(a, b Finding) int { return strings.Compare(a.Severity, b.Severity) })
	return c.findings
}

func (c *check) run() {
	var raw []byte
	file, err := c.o.locate()
	if err == nil {
		raw, err = readDocument(file)
	}
	if err == nil {
		c.draft, err = newDraft(raw)
	}
	if err == nil && !validID(c.o.ID) {
		err = ErrInvalidID
	}
	if err == nil {
		err = checkPIDFile(c.o.PIDFile)
	}
	if err == nil {
		err = c.r.vacant(c.o.ID)
	}
	if err != nil {
		c.refused(err)
		return
	}
	for range maxFindings {
		if c.again() {
			return
		}
	}
}

// vacant wants a root directory, if there is one, that may hold the state of
// containers, and none with the id.
func (r *Runtime) vacant(id string) error {
	root, err := r.rootDir(false)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer root.Close()
	if unix.Faccessat(int(root.Fd()), id, unix.F_OK, unix.AT_SYMLINK_NOFOLLOW) == nil {
		return ErrExist
	}
	return nil
}

// again asks create once more. true: that was the last time.
func (c *check) again() bool {
	config, compiled, err := c.compile()
	if err == nil {
		err = c.r.rehearse(config, c.o.Bundle, compiled, func(text string) { c.warnText("%s", text) })
	}
	if err == nil {
		c.programs(config)
		c.surprises(config)
		c.sockets(config)
		c.cgroups(compiled)
		return true
	}
	// Of a document that is not the last one.
	c.findings = slices.DeleteFunc(c.findings, func(f Finding) bool { return f.Severity == SeverityWarning })
	var e *plan.Error
	if !errors.As(err, &e) {
		c.refused(err)
		return true
	}
	p := c.draft.find(e.At.String())
	if !c.draft.follows(p.at, e.Step > 0) {
		c.add(SeverityError, p.at, e)
	}
	return !c.draft.repair(p)
}

func (c *check) compile() (*Config, *Compiled, error) {
	config, err := DecodeSpec(c.draft.text())
	if err != nil {
		return nil, nil, err
	}
	o := *c.o
	if p := config.Process; p != nil {
		if err := c.terminal(p); err != nil {
			return nil, nil, err
		}
	}
	compiled, err := c.r.compile(&o, config)
	return config, compiled, err
}

// terminal refuses what neither create nor run would take, and warns of what
// create would not: it has no terminal of its own to pass on.
func (c *check) terminal(p *specs.Process) error {
	if p.Terminal && c.o.ConsoleSocket == "" {
		c.warn("/process/terminal", "create and run --detach want --console-socket", "")
		return nil
	}
	return terminalRules(p, true, c.o.ConsoleSocket)
}

// refused adds an error that ends the check.
func (c *check) refused(err error) {
	e := &plan.Error{Err: err}
	errors.As(err, &e)
	at := e.At.String()
	if c.draft != nil {
		at = c.draft.find(at).at
	}
	c.add(SeverityError, at, e)
}

func (c *check) add(severity, at string, e *plan.Error) {
	text := e.Err.Error()
	if e.Op != "" {
		text = e.Op + ": " + text
	}
	f := Finding{at, severity, strings.ToValidUTF8(text, "?"), e.Hint}
	if !slices.Contains(c.findings, f) {
		c.findings = append(c.findings, f)
	}
}

func (c *check) warn(at, text, hint string) {
	c.add(SeverityWarning, at, &plan.Error{Err: errors.New(text), Hint: hint})
}
