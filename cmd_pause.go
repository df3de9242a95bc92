// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/urfave/cli/v2"

func pauseCommand() *cli.Command {
	return &cli.Command{
		Name: "pause", Usage: "stop ID where it is", ArgsUsage: "ID",
		Description: "Exit status: 0; 1 on failure, and then none is stopped.",
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, false)
			if err != nil {
				return err
			}
			return newRuntime(c).Pause(args[0])
		},
	}
}
