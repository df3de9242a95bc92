// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/urfave/cli/v2"

func featuresCommand() *cli.Command {
	return &cli.Command{
		Name: "features", Usage: "print what corten handles",
		Description: "As features.md of the runtime specification says. Exit status: 0; 1 on failure.",
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, false); err != nil {
				return err
			}
			return printJSON(newRuntime(c).Features(version, commit), "  ")
		},
	}
}
