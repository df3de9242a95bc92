// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "create and start ID", ArgsUsage: "ID",
		Description: "In the foreground corten forwards signals to the payload and deletes the\n" +
			"container at the end. Exit status: the payload's, 128+n when signal n ended it;\n" +
			"1 when corten failed; with --detach 0 once the payload runs.",
		Flags: append(createFlags(),
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "leave the container running"},
			&cli.BoolFlag{Name: "keep", Usage: "do not delete the container when the payload has ended"},
			&cli.BoolFlag{Name: "no-subreaper", Usage: "do not reap orphans of the container"},
			&cli.BoolFlag{Name: "init", Usage: "put a small init in front as PID 1, which forwards signals and reaps"},
		),
		Action: func(c *cli.Context) error {
			o, err := createOptions(c)
			if err != nil {
				return err
			}
			o.Detach, o.Keep, o.NoSubreaper, o.Init = c.Bool("detach"), c.Bool("keep"), c.Bool("no-subreaper"), c.Bool("init")
			return ended(newRuntime(c).Run(o))
		},
	}
}

// ended is the result of a foreground process.
func ended(status int, err error) error {
	if err == nil && status != 0 {
		return exitStatus(status)
	}
	return err
}

// listening is how many listen sockets a service manager has handed to corten
// (sd_listen_fds(3)).
func listening() (n int) {
	if os.Getenv("LISTEN_PID") == strconv.Itoa(os.Getpid()) {
		n, _ = digits(os.Getenv("LISTEN_FDS"))
	}
	return n
}

// preserved is how many descriptors from 3 on the payload gets: listen sockets,
// then those of --preserve-fds. All must be open.
func preserved(c *cli.Context, listen int) (all int, err error) {
	extra := c.Int("preserve-fds")
	if extra < 0 {
		return 0, errors.New("--preserve-fds " + strconv.Itoa(extra) + " is negative")
	}
	for fd := 3; fd < 3+listen+extra; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			return 0, errors.New("descriptor " + strconv.Itoa(fd) + ", to be passed on, is not open")
		}
	}
	return listen + extra, nil
}
