// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"
)

func waitCommand() *cli.Command {
	return &cli.Command{
		Name: "wait", Usage: "wait for the end of ID", ArgsUsage: "ID",
		Description: "Prints its exit status, 128+n when signal n ended it; of one that has stopped at once.\n" +
			"Exit status: 0; 1 on failure, which an exit status that nobody has seen is, but with --json.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print also what it used, as JSON"},
		},
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, false)
			if err != nil {
				return err
			}
			end, err := newRuntime(c).Wait(args[0])
			switch {
			case err != nil:
				return err
			case c.Bool("json"):
				return printJSON(end, "")
			case end.ExitStatus == nil:
				return errors.New("the exit status of " + args[0] + " is not known: another process has reaped it")
			}
			_, err = os.Stdout.WriteString(strconv.Itoa(*end.ExitStatus) + "\n")
			return err
		},
	}
}
