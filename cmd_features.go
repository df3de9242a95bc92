// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/urfave/cli/v2"

func featuresCommand() *cli.Command {
	return &cli.Command{
		Description: "Prints what this build handles, in the form of the runtime-spec's features.md.\n\nExit status: 0.",
		Action:      func(c *cli.Context) error { return printJSON(runtimeOf(c).Features()) },
	}
}
