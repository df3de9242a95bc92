// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/urfave/cli/v2"

	"corten/signals"
)

func killCommand() *cli.Command {
	return &cli.Command{
		Name: "kill", Usage: "send a signal to ID", ArgsUsage: "ID [SIGNAL]",
		Description: "SIGNAL is a name with or without SIG, or a number; the default is SIGTERM.\n" +
			"Exit status: 0; 1 on failure, which a stopped container is.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "SIGKILL goes to every process of the container; a stopped one is no failure"},
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
			return newRuntime(c).Kill(args[0], signal, c.Bool("all"))
		},
	}
}
