// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// Options may stand anywhere: `corten kill ID --all`, `corten delete ID -f`,
// as scripts written for runc have them. The flag parser stops at the first
// operand, so the words of a command are sorted here, once, before it sees
// them. After the id of exec and ps all belongs to the user's command.

// arrange sorts the words of a command, its name first, into flags with their
// values, and operands.
func arrange(words []string, known []cli.Flag) (flags, operands []string) {
	name, words := words[0], words[1:]
	for len(words) > 0 {
		var leading []string
		leading, words = cut(words, known)
		flags = append(flags, leading...)
		if len(words) > 0 && words[0] == "--" || name == "exec" || name == "ps" {
			if len(words) > 0 && words[0] == "--" {
				words = words[1:]
			}
			return flags, append(operands, words...)
		}
		if len(words) > 0 {
			operands, words = append(operands, words[0]), words[1:]
		}
	}
	return flags, operands
}

// cut splits words after the leading flags and their values. -- is none.
func cut(words []string, known []cli.Flag) (leading, rest []string) {
	i := 0
	for i < len(words) && len(words[i]) > 1 && words[i][0] == '-' && words[i] != "--" {
		if f, _ := lookup(words[i], known); f != nil && !isSwitch(f) && !strings.Contains(words[i], "=") {
			i++
		}
		i++
	}
	i = min(i, len(words))
	return words[:i:i], words[i:]
}

// lookup finds the flag that a word sets, and the first of its names.
func lookup(word string, known []cli.Flag) (f cli.Flag, name string) {
	word = strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-")
	word, _, _ = strings.Cut(word, "=")
	for _, f := range known {
		name, aliases := names(f)
		if word == name || slices.Contains(aliases, word) {
			return f, name
		}
	}
	return nil, ""
}

// names are a flag's, the long one and the others. Its own method Names passes
// each through a regular expression, at every call.
func names(f cli.Flag) (name string, aliases []string) {
	switch f := f.(type) {
	case *cli.StringFlag:
		return f.Name, f.Aliases
	case *cli.BoolFlag:
		return f.Name, f.Aliases
	case *cli.IntFlag:
		return f.Name, f.Aliases
	case *cli.DurationFlag:
		return f.Name, f.Aliases
	case *cli.GenericFlag:
		return f.Name, f.Aliases
	}
	panic("no flag of corten's")
}

// declare makes a flag known to the parser by its long name, as its own method
// Apply does for all of them.
func declare(f cli.Flag, set *flag.FlagSet) {
	switch f := f.(type) {
	case *cli.StringFlag:
		set.String(f.Name, f.Value, "")
	case *cli.BoolFlag:
		set.Bool(f.Name, f.Value, "")
	case *cli.IntFlag:
		set.Int(f.Name, f.Value, "")
	case *cli.DurationFlag:
		set.Duration(f.Name, f.Value, "")
	case *cli.GenericFlag:
		set.Var(f.Value, f.Name, "")
	default:
		panic("no flag of corten's")
	}
}

// isSwitch says whether a flag has no value.
func isSwitch(f cli.Flag) bool {
	_, ok := f.(*cli.BoolFlag)
	return ok
}

// parse is the context of a command: its flags set from the words, inside the
// context of the global ones. The app of the cli package, which would do it
// too, takes five times as long: it is there for help.
func parse(outer *cli.Context, command *cli.Command, flags, operands []string) (*cli.Context, error) {
	set := flag.NewFlagSet(command.Name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	for _, f := range command.Flags {
		declare(f, set)
	}
	// The parser knows the long names alone.
	words := make([]string, 0, len(flags)+len(operands)+1)
	for i := 0; i < len(flags); i++ {
		f, name := lookup(flags[i], command.Flags)
		_, value, glued := strings.Cut(flags[i], "=")
		switch {
		case f == nil:
			words = append(words, flags[i])
		case glued:
			words = append(words, "--"+name+"="+value)
		case isSwitch(f):
			words = append(words, "--"+name)
		case i+1 < len(flags):
			i++
			words = append(words, "--"+name, flags[i])
		default:
			words = append(words, "--"+name)
			operands = nil // the parser must not take -- for the missing value
		}
	}
	if len(operands) > 0 {
		words = append(append(words, "--"), operands...)
	}
	if err := set.Parse(words); err == flag.ErrHelp {
		return nil, err
	} else if err != nil {
		return nil, &misuse{command.Name, err}
	}
	c := cli.NewContext(nil, set, outer)
	c.Command = command
	c.Context = context.WithValue(c.Context, parsed{}, set)
	return c, nil
}

// parsed is the key of a context's flag set.
type parsed struct{}

// given says whether the command line has the flag.
func given(c *cli.Context, name string) (found bool) {
	for _, l := range c.Lineage() {
		if set, ok := l.Context.Value(parsed{}).(*flag.FlagSet); ok {
			set.Visit(func(f *flag.Flag) { found = found || f.Name == name })
		}
	}
	return found
}

// list is the value of a flag that may be given several times.
type list []string

func (l *list) Set(value string) error { *l = append(*l, value); return nil }
func (l *list) String() string         { return strings.Join(*l, " ") }

// listOf is what the flag of that name was given.
func listOf(c *cli.Context, name string) []string {
	if l, ok := c.Generic(name).(*list); ok {
		return *l
	}
	return nil
}

// misuse is a command line that makes no sense.
type misuse struct {
	command string // "" for corten itself
	err     error
}

func (m *misuse) Error() string { return m.err.Error() }

// hint names the way to help.
func (m *misuse) hint() string { return strings.TrimSpace("see corten "+m.command) + " --help" }

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
