// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func planCommand() *cli.Command {
	return &cli.Command{
		ArgsUsage: "[ID]",
		Description: "Prints every step that create would take, with the field of config.json it comes from.\nNothing is made.\n\n" +
			"Exit status: 0, or 1 if the bundle is not valid.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "directory of config.json (default: the working directory)"},
			&cli.BoolFlag{Name: "json", Usage: "for a program"},
		},
		Action: func(c *cli.Context) error {
			view, err := runtimeOf(c).Plan(libcontainer.CreateOptions{ID: c.Args().First(), Bundle: c.String("bundle")})
			if err != nil {
				return err
			}
			text := []byte(view.Text())
			if c.Bool("json") {
				if text, err = view.JSON(); err != nil {
					return err
				}
				text = append(text, '\n')
			}
			_, err = os.Stdout.Write(text)
			return err
		},
	}
}
