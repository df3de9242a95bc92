// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func execCommand() *cli.Command {
	return &cli.Command{
		ArgsUsage: "ID COMMAND [ARG...]",
		Description: "Runs a further process in a running container.\n\n" +
			"Exit status: the process's, 128+n if signal n ended it; 255 if corten failed.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "console-socket", Usage: "socket that receives the terminal's master"},
			&cli.StringFlag{Name: "cwd", Usage: "working directory"},
			&cli.StringSliceFlag{Name: "env", Aliases: []string{"e"}, Usage: "NAME=VALUE for the environment"},
			&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "give it a terminal"},
			&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "uid[:gid], as numbers"},
			&cli.Int64SliceFlag{Name: "additional-gids", Aliases: []string{"g"}, Usage: "further groups"},
			&cli.StringFlag{Name: "process", Aliases: []string{"p"}, Usage: "file with a process section, instead of the other options"},
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "return when it runs"},
			&cli.StringFlag{Name: "pid-file", Usage: "file for the process id"},
			&cli.BoolFlag{Name: "no-new-privs", Usage: "set no_new_privs"},
			&cli.StringSliceFlag{Name: "cap", Aliases: []string{"c"}, Usage: "further capability"},
			&cli.IntFlag{Name: "preserve-fds", Usage: "how many descriptors from 3 on the process gets"},
			&cli.BoolFlag{Name: "ignore-paused", Usage: "also in a paused container"},
		},
		Action: func(c *cli.Context) (err error) {
			g := globalOf(c)
			g.failStatus = 255
			o, err := execOptions(c)
			if err == nil {
				g.status, err = runtimeOf(c).Exec(o)
			}
			if err != nil {
				return fmt.Errorf("exec failed: %w", err)
			}
			return nil
		},
	}
}

func execOptions(c *cli.Context) (o libcontainer.ExecOptions, err error) {
	if c.NArg() < 1 {
		return o, errors.New("want a container id")
	}
	o = libcontainer.ExecOptions{ID: c.Args().First(), Args: c.Args().Tail(), Env: c.StringSlice("env"), Caps: c.StringSlice("cap"),
		Cwd: c.String("cwd"), User: c.String("user"), TTY: c.Bool("tty"), NoNewPrivs: c.Bool("no-new-privs"), Detach: c.Bool("detach"),
		IgnorePaused: c.Bool("ignore-paused"), PIDFile: c.String("pid-file"), ConsoleSocket: c.String("console-socket")}
	for _, gid := range c.Int64Slice("additional-gids") {
		if gid < 0 || gid >= 1<<32-1 {
			return o, fmt.Errorf("--additional-gids %d: want a number below 4294967295", gid)
		}
		o.AdditionalGids = append(o.AdditionalGids, uint32(gid))
	}
	if file := c.String("process"); file != "" {
		if o.Process, err = libcontainer.LoadProcess(file); err != nil {
			return o, err
		}
		if c.Bool("tty") {
			o.Process.Terminal = true
		}
	}
	o.PreserveFDs, err = preserved(c.Int("preserve-fds"))
	return o, err
}
