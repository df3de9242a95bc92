// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// Options may stand anywhere: `corten kill ID --all`, `corten delete ID -f`,
// as scripts written for runc have them. The flag parser stops at the first
// operand, so the words of a command are put in order here, once, before it
// sees them. After the id of exec and ps all belongs to the user's command.

// arrange returns the words of a command, its name first, with the flags before
// the operands.
func arrange(words []string, flags []cli.Flag) []string {
	name, words := words[0], words[1:]
	if name == "exec" || name == "ps" {
		return append([]string{name}, words...)
	}
	ordered := []string{name}
	var operands []string
	for len(words) > 0 {
		var group []string
		group, words = cut(words, flags, true)
		ordered = append(ordered, group...)
		if len(words) > 0 && words[0] == "--" {
			operands, words = append(operands, words[1:]...), nil
		}
		if len(words) > 0 {
			operands, words = append(operands, words[0]), words[1:]
		}
	}
	if len(operands) == 0 {
		return ordered
	}
	// The last word may be a flag that lacks its value: a -- would be taken for it.
	if n := len(ordered) - 1; n > 0 && strings.HasPrefix(ordered[n], "-") && takesValue(ordered[n], flags) {
		return ordered
	}
	return append(append(ordered, "--"), operands...)
}

// cut splits words after the leading flags and their values. A -- ends them
// and is, with keep, left to the rest.
func cut(words []string, flags []cli.Flag, keep bool) (leading, rest []string) {
	for i := 0; i < len(words); i++ {
		word := words[i]
		if word == "--" && !keep {
			return words[:i], words[i+1:]
		}
		if len(word) < 2 || word[0] != '-' || word == "--" {
			return words[:i], words[i:]
		}
		if takesValue(word, flags) {
			i++
		}
	}
	return words, nil
}

// takesValue says whether the flag's value is the word after it.
func takesValue(word string, flags []cli.Flag) bool {
	name := strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-")
	for _, f := range flags {
		for _, known := range f.Names() {
			if known == name {
				_, isBool := f.(*cli.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}

// misuse is a command line that makes no sense.
type misuse struct {
	command string // "" for corten itself
	err     error
}

func (m *misuse) Error() string { return m.err.Error() }

// hint names the way to help.
func (m *misuse) hint() string { return strings.TrimSpace("see corten "+m.command) + " --help" }

// usageError is what the flag parser calls.
func usageError(c *cli.Context, err error, subcommand bool) error {
	switch {
	case !subcommand:
		return &misuse{"", err}
	case c.Command.Name == "exec":
		return execError{&misuse{"exec", err}}
	}
	return &misuse{c.Command.Name, err}
}

// operands returns the command's operands, which must be n, or n and more.
func operands(c *cli.Context, n int, more bool) ([]string, error) {
	args := c.Args().Slice()
	if len(args) == n || more && len(args) > n {
		return args, nil
	}
	words := "exactly "
	if more {
		words = "at least "
	}
	words += strconv.Itoa(n) + " argument"
	if n != 1 {
		words += "s"
	}
	return nil, &misuse{c.Command.Name, errors.New(c.Command.Name + " takes " + words + " (" + c.Command.ArgsUsage + "), got " + strconv.Itoa(len(args)))}
}

// digits reads a number without sign.
func digits(s string) (int, bool) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err == nil
}

func quote(s string) string { return strconv.Quote(s) }
