// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Description: "Lists the containers of --root.\n\nExit status: 0, or 1 if --root was given and is not there.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "ids only"},
		},
		Action: func(c *cli.Context) error {
			all, err := runtimeOf(c).List()
			if errors.Is(err, os.ErrNotExist) && !c.IsSet("root") {
				err = nil
			}
			if err != nil {
				return err
			}
			if c.Bool("quiet") {
				for i := range all {
					fmt.Println(all[i].ID)
				}
				return nil
			}
			return printList(c.String("format"), all)
		},
	}
}

func printList(format string, all []libcontainer.State) error {
	switch format {
	case "json":
		b, err := json.Marshal(all)
		if err == nil {
			_, err = os.Stdout.Write(append(b, '\n'))
		}
		return err
	case "table":
		w := tabwriter.NewWriter(os.Stdout, 12, 1, 3, ' ', 0)
		fmt.Fprint(w, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
		for i := range all {
			s := &all[i]
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.PID, s.Status, s.Bundle, s.Created.Format(time.RFC3339Nano), s.Owner)
		}
		return w.Flush()
	}
	return errors.New("invalid format option")
}
