// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/urfave/cli/v2"

func resumeCommand() *cli.Command {
	return &cli.Command{
		Name: "resume", Usage: "let ID go on after a pause", ArgsUsage: "ID",
		Description: "Exit status: 0; 1 on failure, which a container that is not paused is.",
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, false)
			if err != nil {
				return err
			}
			return newRuntime(c).Resume(args[0])
		},
	}
}
