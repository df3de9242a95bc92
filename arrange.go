// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange puts a command's flags before its other arguments, as callers of runc
// may write them after the id (`update ID --pids-limit 5`), and defines the
// command it finds. exec and ps are left as they are from the id on: what
// follows is the user's own command.
func arrange(app *cli.App, args []string) ([]string, error) {
	verb := skipFlags(app.Flags, args, 1)
	if verb >= len(args) {
		for i := range commands {
			addCommand(app, commands[i].name)
		}
		return args, nil
	}
	c := addCommand(app, args[verb])
	if c == nil || args[verb] == "exec" || args[verb] == "ps" {
		return args, nil
	}
	var flags, rest []string
	for i := verb + 1; i < len(args); i++ {
		if args[i] == "--" {
			rest = append(rest, args[i:]...)
			break
		}
		end := i + 1
		if isFlag(args[i]) {
			if takesValue(c.Flags, args[i]) && end < len(args) {
				end++
			}
			flags = append(flags, args[i:end]...)
		} else {
			rest = append(rest, args[i])
		}
		i = end - 1
	}
	out := append([]string{}, args[:verb+1]...)
	return append(append(out, flags...), rest...), nil
}

// skipFlags is the index of the first argument from at that is no flag or value
// of one.
func skipFlags(flags []cli.Flag, args []string, at int) int {
	for at < len(args) && isFlag(args[at]) {
		if takesValue(flags, args[at]) {
			at++
		}
		at++
	}
	return at
}

func isFlag(arg string) bool { return len(arg) > 1 && arg[0] == '-' }

// takesValue reports whether the next argument is the flag's value.
func takesValue(flags []cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range flags {
		if _, isBool := f.(*cli.BoolFlag); isBool {
			continue
		}
		for _, n := range f.Names() {
			if n == name {
				return true
			}
		}
	}
	return false
}
