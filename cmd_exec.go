// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strconv"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func execCommand() *cli.Command {
	return &cli.Command{
		Name: "exec", Usage: "run another process in ID", ArgsUsage: "ID COMMAND [ARGUMENT...]",
		Description: "Options stand before ID; what follows it is the command's. Without --process\n" +
			"the process is like the container's own, as the bundle has it now. Exit status: the process's, 128+n when\n" +
			"signal n ended it; 255 when corten failed; with --detach 0 once it runs.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "process", Aliases: []string{"p"}, Usage: "take the process section from `FILE`"},
			&cli.BoolFlag{Name: "tty", Aliases: []string{"t"}, Usage: "give it a terminal"},
			&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "leave it running"},
			&cli.StringFlag{Name: "user", Aliases: []string{"u"}, Usage: "run as `UID[:GID]`"},
			&cli.GenericFlag{Name: "additional-gids", Aliases: []string{"g"}, Value: new(list), Usage: "add the group `GID`"},
			&cli.StringFlag{Name: "cwd", Usage: "start in `DIR`"},
			&cli.GenericFlag{Name: "env", Aliases: []string{"e"}, Value: new(list), Usage: "set `NAME=VALUE`"},
			&cli.GenericFlag{Name: "cap", Aliases: []string{"c"}, Value: new(list), Usage: "add the capability `CAP`"},
			&cli.BoolFlag{Name: "no-new-privs", Usage: "it cannot gain privileges"},
			&cli.StringFlag{Name: "apparmor", Usage: "confine it by the AppArmor `PROFILE`"},
			&cli.StringFlag{Name: "process-label", Usage: "give it the SELinux `LABEL`"},
			&cli.StringFlag{Name: "pid-file", Usage: "`FILE` to write its pid to, digits only"},
			&cli.StringFlag{Name: "console-socket", Usage: "unix `SOCKET` to send the master of its terminal to"},
			&cli.StringFlag{Name: "pidfd-socket", Usage: "unix `SOCKET` to send a pidfd of it to"},
			&cli.IntFlag{Name: "preserve-fds", Usage: "pass `N` descriptors on, from 3"},
			&cli.GenericFlag{Name: "cgroup", Value: new(list), Usage: "enter the cgroup `[CONTROLLERS:]PATH` below the container's"},
			&cli.BoolFlag{Name: "kill-with-parent", Usage: "it and its children are killed when corten is"},
			&cli.BoolFlag{Name: "ignore-paused", Usage: "also in a paused container, where it waits"},
		},
		Action: func(c *cli.Context) error {
			o, err := execOptions(c)
			if err != nil {
				return execError{err}
			}
			status, err := newRuntime(c).Exec(o)
			if err != nil {
				return execError{err}
			}
			return ended(status, nil)
		},
	}
}

func execOptions(c *cli.Context) (o libcontainer.ExecOptions, err error) {
	args, err := operands(c, 1, true)
	if err != nil {
		return o, err
	}
	o = libcontainer.ExecOptions{
		ID: args[0], Args: args[1:], Env: listOf(c, "env"), Caps: listOf(c, "cap"), Cwd: c.String("cwd"), User: c.String("user"),
		TTY: c.Bool("tty"), NoNewPrivs: c.Bool("no-new-privs"), Detach: c.Bool("detach"), IgnorePaused: c.Bool("ignore-paused"),
		AppArmorProfile: c.String("apparmor"), SELinuxLabel: c.String("process-label"),
		PIDFile: c.String("pid-file"), ConsoleSocket: c.String("console-socket"), PidfdSocket: c.String("pidfd-socket"),
		Cgroups: listOf(c, "cgroup"), KillWithParent: c.Bool("kill-with-parent"),
	}
	if o.Detach && o.KillWithParent {
		return o, &misuse{"exec", errors.New("--kill-with-parent is for a process that corten waits for, not with --detach")}
	}
	for _, text := range listOf(c, "additional-gids") {
		gid, err := strconv.ParseUint(text, 10, 32)
		if err != nil || gid == 1<<32-1 {
			return o, errors.New("--additional-gids " + quote(text) + " is not a group id")
		}
		o.AdditionalGids = append(o.AdditionalGids, uint32(gid))
	}
	if path := c.String("process"); path != "" {
		if o.Process, err = libcontainer.LoadProcess(path); err != nil {
			return o, err
		}
	} else if len(o.Args) == 0 {
		return o, &misuse{"exec", errors.New("exec takes a command after the id, or --process")}
	}
	// Sockets of a service manager are the container's own process's.
	o.PreserveFDs, err = preserved(c, 0)
	return o, err
}
