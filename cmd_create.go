// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func createCommand() *cli.Command {
	return &cli.Command{
		Name: "create", Usage: "make ID, ready to start", ArgsUsage: "ID",
		Description: "Everything but the payload's execve is done when create returns. Standard\n" +
			"streams are the payload's. Exit status: 0; 1 when it failed and nothing is left.",
		Flags: createFlags(),
		Action: func(c *cli.Context) error {
			o, err := createOptions(c)
			if err != nil {
				return err
			}
			return newRuntime(c).Create(o)
		},
	}
}

// createFlags are those of create and run.
func createFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` of config.json (default: the current one)"},
		&cli.StringFlag{Name: "config", Aliases: []string{"f"}, Usage: "take the configuration from `FILE` (default: config.json of the bundle)"},
		&cli.StringFlag{Name: "console-socket", Usage: "unix `SOCKET` to send the master of the container's terminal to"},
		&cli.StringFlag{Name: "pidfd-socket", Usage: "unix `SOCKET` to send a pidfd of the payload to"},
		&cli.StringFlag{Name: "pid-file", Usage: "`FILE` to write the payload's pid to, digits only"},
		&cli.IntFlag{Name: "preserve-fds", Usage: "pass `N` descriptors on, from 3 (after those of $LISTEN_FDS)"},
		&cli.BoolFlag{Name: "no-pivot", Usage: "use MS_MOVE and chroot instead of pivot_root, for a rootfs on a ramdisk"},
		&cli.BoolFlag{Name: "no-new-keyring", Usage: "keep the caller's session keyring"},
	}
}

// createOptions reads createFlags.
func createOptions(c *cli.Context) (o libcontainer.CreateOptions, err error) {
	args, err := operands(c, 1, false)
	if err != nil {
		return o, err
	}
	o = libcontainer.CreateOptions{
		ID: args[0], Bundle: c.String("bundle"), PIDFile: c.String("pid-file"), ConsoleSocket: c.String("console-socket"),
		Config: c.String("config"), PidfdSocket: c.String("pidfd-socket"),
		NoPivot: c.Bool("no-pivot"), NoNewKeyring: c.Bool("no-new-keyring"),
	}
	o.ListenNames, o.NotifySocket = os.Getenv("LISTEN_FDNAMES"), os.Getenv("NOTIFY_SOCKET")
	o.ListenFDs = listening()
	o.PreserveFDs, err = preserved(c, o.ListenFDs)
	return o, err
}
