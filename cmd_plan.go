// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name: "plan", Usage: "print what create would do", ArgsUsage: "[ID]",
		Description: "Nothing is made. Each step has its number, the system call and the field of\n" +
			"config.json it comes from. Exit status: 0; 1 when create would refuse the bundle.",
		Flags: append(createFlags(),
			&cli.BoolFlag{Name: "init", Usage: "with the small init of run --init"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"}),
		Action: func(c *cli.Context) error {
			args := c.Args()
			if args.Len() > 1 {
				return &misuse{"plan", errors.New("plan takes at most one argument ([ID])")}
			}
			view, err := newRuntime(c).Plan(libcontainer.CreateOptions{
				ID: args.First(), Bundle: c.String("bundle"), Config: c.String("config"), ConsoleSocket: c.String("console-socket"), PreserveFDs: c.Int("preserve-fds"),
				NoPivot: c.Bool("no-pivot"), NoNewKeyring: c.Bool("no-new-keyring"), Init: c.Bool("init"),
			})
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
