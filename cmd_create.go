// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func createCommand() *cli.Command {
	return &cli.Command{
		ArgsUsage: "ID",
		Description: "Makes the container of a bundle up to its program, which start runs.\n\n" +
			"Exit status: 0, or 1 if nothing was made.",
		Flags: createFlags(),
		Action: func(c *cli.Context) error {
			o, err := createOptions(c)
			if err != nil {
				return err
			}
			return runtimeOf(c).Create(o)
		},
	}
}

// createFlags are those that create and run share.
func createFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "directory of config.json (default: the working directory)"},
		&cli.StringFlag{Name: "console-socket", Usage: "socket that receives the terminal's master"},
		&cli.StringFlag{Name: "pid-file", Usage: "file for the process id"},
		&cli.IntFlag{Name: "preserve-fds", Usage: "how many descriptors from 3 on the payload gets"},
		&cli.BoolFlag{Name: "no-pivot", Usage: "chroot instead of pivot_root: less safe, for roots in memory"},
		&cli.BoolFlag{Name: "no-new-keyring", Usage: "keep the caller's session keyring"},
	}
}

func createOptions(c *cli.Context) (o libcontainer.CreateOptions, err error) {
	o = libcontainer.CreateOptions{Bundle: c.String("bundle"), PIDFile: c.String("pid-file"), ConsoleSocket: c.String("console-socket"),
		NoPivot: c.Bool("no-pivot"), NoNewKeyring: c.Bool("no-new-keyring")}
	if o.ID, err = oneID(c); err != nil {
		return o, err
	}
	o.PreserveFDs, err = preserved(c.Int("preserve-fds"))
	return o, err
}

// preserved adds the sockets a service manager handed to us (sd_listen_fds(3)),
// which come first.
func preserved(n int) (int, error) {
	if n < 0 {
		return 0, fmt.Errorf("--preserve-fds %d: want a number from 0", n)
	}
	if listen, err := strconv.Atoi(os.Getenv("LISTEN_FDS")); err == nil && listen > 0 && os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) {
		n += listen
	}
	return n, nil
}
