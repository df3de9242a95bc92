// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/urfave/cli/v2"

func featuresCommand() *cli.Command {
	return &cli.Command{
		Name: "features", Usage: "print what corten handles",
		Description: "As features.md of the runtime specification says. Exit status: 0; 1 on failure.",
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, false); err != nil {
				return err
			}
			f := newRuntime(c).Features(version, commit)
			switch self.name {
			case "runc":
				f.Annotations["org.opencontainers.runc.version"] = self.version()
				f.Annotations["org.opencontainers.runc.commit"] = commit
			case "crun":
				f.Annotations["run.oci.crun.version"] = self.version()
				f.Annotations["run.oci.crun.commit"] = commit
			}
			return printJSON(f, "  ")
		},
	}
}
