// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/urfave/cli/v2"

func startCommand() *cli.Command {
	return &cli.Command{
		ArgsUsage:   "ID",
		Description: "Runs the program of a created container.\n\nExit status: 0, or 1 if it does not run.",
		Action: func(c *cli.Context) error {
			id, err := oneID(c)
			if err != nil {
				return err
			}
			return runtimeOf(c).Start(id)
		},
	}
}
