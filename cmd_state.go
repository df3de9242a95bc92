// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"

	"github.com/urfave/cli/v2"
)

func stateCommand() *cli.Command {
	return &cli.Command{
		Name: "state", Usage: "print the state of ID", ArgsUsage: "ID",
		Description: "The pid is 0 when the container has stopped. Exit status: 0; 1 on failure.",
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, false)
			if err != nil {
				return err
			}
			state, err := newRuntime(c).State(args[0])
			if err != nil {
				return err
			}
			return printJSON(state, "  ")
		},
	}
}

// printJSON writes v and a newline to stdout; on one line if indent is "".
func printJSON(v any, indent string) (err error) {
	var text []byte
	if indent == "" {
		text, err = json.Marshal(v)
	} else {
		text, err = json.MarshalIndent(v, "", indent)
	}
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(text, '\n'))
	return err
}
