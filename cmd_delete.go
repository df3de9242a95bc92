// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/urfave/cli/v2"

func deleteCommand() *cli.Command {
	return &cli.Command{
		ArgsUsage: "ID",
		Description: "Removes everything a container was: cgroups, state. A created one is ended first.\n\n" +
			"Exit status: 0, or 1 if something is left. With --force, 0 also if there is no such container.",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "end it first if it runs"}},
		Action: func(c *cli.Context) error {
			id, err := oneID(c)
			if err != nil {
				return err
			}
			return runtimeOf(c).Delete(id, c.Bool("force"))
		},
	}
}
