// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/urfave/cli/v2"
)

func startCommand() *cli.Command {
	return &cli.Command{
		Name: "start", Usage: "run the payload of ID", ArgsUsage: "ID",
		Description: "Exit status: 0; 1 when the container is not in the created state or its\npayload could not be executed.",
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, false)
			if err != nil {
				return err
			}
			return newRuntime(c).Start(args[0], os.Getenv("NOTIFY_SOCKET"))
		},
	}
}
