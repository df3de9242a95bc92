// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
	"corten/signals"
)

// forEach does something to the container id, or with --regex to all that id
// matches, whatever comes of the others.
func forEach(c *cli.Context, r *libcontainer.Runtime, id string, do func(id string) error) error {
	if !c.Bool("regex") {
		return do(id)
	}
	expression, err := regexp.CompilePOSIX(id)
	if err != nil {
		return &misuse{c.Command.Name, err}
	}
	ids, err := r.IDs()
	if err != nil {
		return err
	}
	var all []error
	for _, id := range ids {
		if !expression.MatchString(id) {
			continue
		}
		if err := do(id); err != nil {
			all = append(all, fmt.Errorf("%s: %w", id, err))
		}
	}
	return errors.Join(all...)
}

func killCommand() *cli.Command {
	return &cli.Command{
		Name: "kill", Usage: "send a signal to ID", ArgsUsage: "ID [SIGNAL]",
		Description: "SIGNAL is a name with or without SIG, or a number; the default is SIGTERM.\n" +
			"Exit status: 0; 1 on failure, which a stopped container is.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "SIGKILL goes to every process of the container; a stopped one is no failure"},
			&cli.BoolFlag{Name: "regex", Aliases: []string{"r"}, Usage: "ID is an extended regular expression: all containers it matches"},
		},
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, true)
			if err != nil {
				return err
			}
			name := "SIGTERM"
			if len(args) > 1 {
				if args, err = operands(c, 2, false); err != nil {
					return err
				}
				name = args[1]
			}
			signal, err := signals.Parse(name)
			if err != nil {
				return err
			}
			r := newRuntime(c)
			return forEach(c, r, args[0], func(id string) error { return r.Kill(id, signal, c.Bool("all")) })
		},
	}
}
