// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// With $CORTEN_CHECK set, every create and run is preceded by a check of the
// same bundle, by the same caller in the same view: what it accepts has to
// start, and what it refuses to fail.

// checked is what check said; nil: it was not asked.
type checked struct {
	errors string
	status int
}

// Unchecked says why create and run of this bundle may end in another way than
// check says.
func (b *Bundle) Unchecked(reason string) { b.unchecked = reason }

// swaps are the tests in which a Swap goes on.
var swaps = map[testing.TB]bool{}

// check runs check in the place of args, which are a create or run or anything.
func (b *Bundle) check(o Options, args []string) *checked {
	at := slices.IndexFunc(args, func(word string) bool { return word == "create" || word == "run" })
	if os.Getenv("CORTEN_CHECK") == "" || b.unchecked != "" || swaps[b.t] || len(o.Wrap) > 0 || at < 0 || slices.Contains(args[:at], "exec") || slices.Contains(args[:at], "--trace") {
		return nil
	}
	words := slices.Clone(args[:at])
	words = append(words, "check")
	for i := at + 1; i < len(args); i++ {
		switch word := args[i]; word {
		case "--detach", "-d", "--keep", "--no-subreaper":
		default:
			words = append(words, word)
		}
	}
	words = b.Command(words...)
	if filepath.Base(b.runtime) != "corten" {
		return nil
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env, cmd.Dir, cmd.ExtraFiles = append(append(os.Environ(), o.Env...), "CORTEN_TRACE="), o.Dir, o.ExtraFiles
	out, err := cmd.CombinedOutput()
	c := &checked{status: 0}
	if err != nil {
		c.status = cmd.ProcessState.ExitCode()
	}
	for line := range strings.Lines(string(out)) {
		switch {
		case strings.HasPrefix(line, "warning: "):
		case args[at] == "create" && strings.HasSuffix(line, "(create takes it, start fails)\n"):
		default:
			c.errors += line
		}
	}
	if c.errors == "" && c.status == 1 {
		c.status = 0
	}
	return c
}

// later are failures that no look at the bundle foretells, by a part of their
// text.
var later = map[string]string{
	": run /":          "a hook decides how it ends",
	"OOM-killed":       "the memory that a start takes is known when it has taken it",
	"ended by signal":  "the caller's",
	"killed meanwhile": "the caller's",
	"cannot use console socket if runc will not detach": "check is told nothing of --detach",
	"process property must not be empty":                "is of run alone: a warning",
	"cannot allocate tty if runc will detach":           "is of create alone: a warning",
	"blkio.bfq.weight_device":                           "the disk's scheduler decides, when it is written",
	"listenerPath: sendmsg":                             "an agent decides how long it listens",
}

// compare fails the test if the command ended otherwise than check said.
func (p *Process) compare(r Result) {
	if p.check == nil {
		return
	}
	p.b.t.Helper()
	failed := r.Status != 0 && strings.Contains(r.Stderr, "corten: ")
	for text := range later {
		if p.check.status == 0 && strings.Contains(r.Stderr, text) {
			return
		}
	}
	if refused := p.check.status != 0; refused != failed {
		p.b.t.Errorf("check: exit status %d\n%sbut %s: exit status %d\n%s", p.check.status, p.check.errors, strings.Join(p.Cmd.Args, " "), r.Status, tail(r.Stderr, 600))
	}
}
