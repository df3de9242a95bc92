// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"

	"github.com/urfave/cli/v2"
)

func stateCommand() *cli.Command {
	return &cli.Command{
		ArgsUsage:   "ID",
		Description: "Prints the container's state as JSON.\n\nExit status: 0, or 1 if there is no such container.",
		Action: func(c *cli.Context) error {
			id, err := oneID(c)
			if err != nil {
				return err
			}
			state, err := runtimeOf(c).State(id)
			if err != nil {
				return err
			}
			return printJSON(state)
		},
	}
}

func printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		_, err = os.Stdout.Write(append(b, '\n'))
	}
	return err
}
