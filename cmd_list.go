// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func listCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "print all containers",
		Description: "Exit status: 0, also without any container; 1 on failure, which an explicit\n--root that is not there is.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "print a table, or JSON: `table|json`"},
			&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print ids only"},
		},
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, false); err != nil {
				return err
			}
			r := newRuntime(c)
			if _, err := os.Stat(r.Root); err != nil && given(c, "root") {
				return err
			}
			if c.Bool("quiet") {
				ids, err := r.Names()
				return errors.Join(err, printWords(os.Stdout, ids))
			}
			list, err := r.List()
			if err != nil {
				return err
			}
			return printList(os.Stdout, list, c.String("format"))
		},
	}
}

// printWords prints a word a line, all at once.
func printWords(w io.Writer, words []string) error {
	if len(words) == 0 {
		return nil
	}
	_, err := io.WriteString(w, strings.Join(words, "\n")+"\n")
	return err
}

func printList(w io.Writer, list []libcontainer.State, format string) error {
	switch format {
	case "json":
		if len(list) == 0 {
			list = nil // printed as null, like runc
		}
		return printJSON(list, "")
	case "table":
		table := tabwriter.NewWriter(w, 12, 1, 3, ' ', 0)
		fmt.Fprint(table, "ID\tPID\tSTATUS\tBUNDLE\tCREATED\tOWNER\n")
		for _, s := range list {
			fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\n", s.ID, s.PID, s.Status, s.Bundle, s.Created.Format(time.RFC3339Nano), s.Owner)
		}
		return table.Flush()
	}
	return fmt.Errorf("invalid format option %q: it is table or json", format)
}
