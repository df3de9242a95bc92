// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"os"
	"runtime/debug"
	"time"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func eventsCommand() *cli.Command {
	return &cli.Command{
		Name: "events", Usage: "print what ID uses", ArgsUsage: "ID",
		Description: "Each line is a JSON object with type, stats or oom, id and data. Ends with the\n" +
			"container. Exit status: 0; 1 on failure, which a container that has stopped is.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "stats", Usage: "print what it uses now, once"},
			&cli.DurationFlag{Name: "interval", Value: 5 * time.Second, Usage: "`TIME` between stats, such as 500ms"},
			&cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "all containers of --root, in place of ID, and those to come"},
		},
		Action: func(c *cli.Context) error {
			o := libcontainer.EventOptions{All: c.Bool("all"), Once: c.Bool("stats"), Interval: c.Duration("interval")}
			ids := 1
			if o.All {
				ids = 0
			}
			args, err := operands(c, ids, false)
			if err != nil {
				return err
			}
			if o.Interval <= 0 {
				return &misuse{"events", errors.New("duration interval must be greater than 0")}
			}
			if !o.All {
				o.ID = args[0]
			}
			debug.SetGCPercent(100) // it may run for years
			return newRuntime(c).Events(o, func(e *libcontainer.Event) error {
				text, err := json.Marshal(e)
				if err == nil {
					_, err = os.Stdout.Write(append(text, '\n'))
				}
				return err
			})
		},
	}
}
