// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"github.com/urfave/cli/v2"

	"corten/signals"
)

func killCommand() *cli.Command {
	return &cli.Command{
		ArgsUsage: "ID [SIGNAL]",
		Description: "Sends a signal, by name or number (default: TERM), to the container's first process.\n\n" +
			"Exit status: 0, or 1 if it was not sent.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "KILL to every process; no error if it has stopped"}},
		Action: func(c *cli.Context) error {
			if c.NArg() < 1 || c.NArg() > 2 {
				return errors.New("kill: want a container id and at most one signal")
			}
			name := c.Args().Get(1)
			if name == "" {
				name = "TERM"
			}
			sig, err := signals.Parse(name)
			if err != nil {
				return err
			}
			return runtimeOf(c).Kill(c.Args().First(), sig, c.Bool("all"))
		},
	}
}
