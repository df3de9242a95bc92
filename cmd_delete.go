// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/urfave/cli/v2"

func deleteCommand() *cli.Command {
	return &cli.Command{
		Name: "delete", Usage: "remove what is left of ID", ArgsUsage: "ID",
		Description: "Exit status: 0; 1 on failure, which a running container is. With --force the\n" +
			"container is killed first, and 0 also says that it was not there.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "force", Aliases: []string{"f"}, Usage: "kill it if it lives, whatever is left of it"},
			&cli.BoolFlag{Name: "regex", Aliases: []string{"r"}, Usage: "ID is an extended regular expression: all containers it matches"},
		},
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, false)
			if err != nil {
				return err
			}
			r := newRuntime(c)
			return forEach(c, r, args[0], func(id string) error { return r.Delete(id, c.Bool("force")) })
		},
	}
}
