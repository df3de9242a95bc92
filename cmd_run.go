// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/urfave/cli/v2"

func runCommand() *cli.Command {
	return &cli.Command{
		ArgsUsage: "ID",
		Description: "Creates and starts the container of a bundle. In the foreground, signals are\n" +
			"forwarded to it, and it is deleted when it has ended.\n\n" +
			"Exit status: the payload's, 128+n if signal n ended it; 1 if corten failed.",
		Flags: append(createFlags(),
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "return when the payload runs"},
			&cli.BoolFlag{Name: "keep", Usage: "do not delete the container when it has ended"},
			&cli.BoolFlag{Name: "no-subreaper", Usage: "do not adopt orphans of the container"},
			&cli.BoolFlag{Name: "init", Usage: "a built-in PID 1 that forwards signals and reaps"}),
		Action: func(c *cli.Context) error {
			o, err := createOptions(c)
			if err != nil {
				return err
			}
			o.Detach, o.Keep, o.NoSubreaper, o.Init = c.Bool("detach"), c.Bool("keep"), c.Bool("no-subreaper"), c.Bool("init")
			globalOf(c).status, err = runtimeOf(c).Run(o)
			return err
		},
	}
}
