// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"corten/libcontainer"
	"corten/nsenter/plan"
)

// exitStatus is the payload's, passed on without a word.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// execError is a failure of exec itself, which must not look like one of the
// command's own statuses.
type execError struct{ error }

func (e execError) Unwrap() error { return e.error }

// logger writes what a command has to say. Engines read the log as a whole and
// take more than one object on failure for none (features.md §2.6), so warnings
// wait until the command has gone well.
type logger struct {
	out     *os.File  // where the plain text goes
	log     io.Writer // of --log; nil: out
	json    bool
	debug   bool // warnings at once, and shown
	quiet   bool // no warnings
	waiting []string
}

// line is a line of the log: runc's three members, and what a program can act on.
type line struct {
	Level string `json:"level"`
	Msg   string `json:"msg"`
	Time  string `json:"time"` // RFC 3339
	Code  string `json:"code,omitempty"`
	Field string `json:"field,omitempty"` // JSON pointer into config.json
	Step  int    `json:"step,omitempty"`  // as corten plan numbers them
	Hint  string `json:"hint,omitempty"`
}

// fail reports why the command failed and returns its exit status.
func (l *logger) fail(err error) int {
	report := describe(err)
	text := self.complaint(&report, l.log != nil)
	switch {
	case l.log != nil:
		if err := l.write(report); err != nil {
			text += self.name + ": --log: " + err.Error() + "\n"
		}
	case l.json:
		text = report.encode(true)
	}
	_, _ = l.out.WriteString(text)
	if errors.As(err, new(execError)) {
		return 255
	}
	return 1
}

// warn keeps a warning for flush.
func (l *logger) warn(format string, args ...any) {
	if l.quiet {
		return
	}
	l.waiting = append(l.waiting, fmt.Sprintf(format, args...))
	if l.debug {
		l.flush()
	}
}

// flush writes the warnings to the log file. Without one they are only shown
// on request: stderr may be the container's.
func (l *logger) flush() {
	for _, text := range l.waiting {
		warning := line{Level: "warning", Msg: text}
		switch {
		case l.log != nil:
			_ = l.write(warning)
		case l.debug && l.json:
			_, _ = l.out.WriteString(warning.encode(true))
		case l.debug:
			_, _ = l.out.WriteString(self.name + ": warning: " + text + "\n")
		}
	}
	l.waiting = nil
}

// write adds a line to the log.
func (l *logger) write(entry line) error {
	if j, ok := l.log.(*journal); ok {
		return j.send(&entry)
	}
	_, err := io.WriteString(l.log, entry.encode(l.json))
	return err
}

// encode is the line as JSON, or as logrus writes text.
func (entry line) encode(asJSON bool) string {
	entry.Time = time.Now().Format(time.RFC3339)
	if asJSON {
		text, err := json.Marshal(entry)
		if err != nil { // no member can fail
			panic(err)
		}
		return string(text) + "\n"
	}
	text := fmt.Sprintf("time=%q level=%s msg=%q", entry.Time, entry.Level, entry.Msg)
	for _, extra := range [...]struct{ key, value string }{{"code", entry.Code}, {"field", entry.Field}, {"hint", entry.Hint}} {
		if extra.value != "" {
			text += fmt.Sprintf(" %s=%q", extra.key, extra.value)
		}
	}
	if entry.Step > 0 {
		text += fmt.Sprintf(" step=%d", entry.Step)
	}
	return text + "\n"
}

// describe takes an error apart. The codes are in corten(1).
func describe(err error) line {
	entry := line{Level: "error", Msg: strings.TrimSpace(strings.ReplaceAll(err.Error(), "\n", "; "))}
	var at *plan.Error
	var wrong *misuse
	switch {
	case errors.As(err, &at):
		entry.Field, entry.Step, entry.Hint = at.At.String(), at.Step, at.Hint
		if entry.Code = "config"; at.Step > 0 {
			entry.Code = "step"
		}
	case errors.As(err, &wrong):
		entry.Code, entry.Hint = "usage", wrong.hint()
	case errors.Is(err, libcontainer.ErrNotExist):
		entry.Code = "container_not_exist"
	case errors.Is(err, libcontainer.ErrNotRunning):
		entry.Code = "container_not_running"
	case errors.Is(err, libcontainer.ErrNotPaused):
		entry.Code = "container_not_paused"
	case errors.Is(err, libcontainer.ErrExist):
		entry.Code = "container_exists"
	case errors.Is(err, libcontainer.ErrInvalidID):
		entry.Code, entry.Hint = "invalid_id", "an id has letters, digits and _ + - . and is neither . nor .."
	}
	return entry
}
