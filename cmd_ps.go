// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"github.com/urfave/cli/v2"
)

func psCommand() *cli.Command {
	return &cli.Command{
		Name: "ps", Usage: "print the processes of ID", ArgsUsage: "ID [PS-OPTION...]",
		Description: "The table is ps's own, run with the options after ID (default: -ef) and cut\n" +
			"down to the container. Exit status: 0; 1 on failure.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "print a table or the pids as JSON: `table|json`"},
		},
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, true)
			if err != nil {
				return err
			}
			format := c.String("format")
			if format != "table" && format != "json" {
				return fmt.Errorf("invalid format option %q: it is table or json", format)
			}
			pids, err := newRuntime(c).Processes(args[0])
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(pids, "")
			}
			if args = args[1:]; len(args) == 0 {
				args = []string{"-ef"}
			}
			text, err := exec.Command("ps", args...).Output()
			if err != nil {
				return fmt.Errorf("ps: %w", err)
			}
			return printProcesses(text, pids)
		},
	}
}

// printProcesses prints the header of ps's table and the lines whose PID is
// the container's.
func printProcesses(table []byte, pids []int) error {
	lines := bytes.SplitAfter(table, []byte("\n"))
	column := slices.IndexFunc(bytes.Fields(lines[0]), func(title []byte) bool { return string(title) == "PID" })
	if column < 0 {
		return errors.New("ps: its table has no column PID")
	}
	out := slices.Clone(lines[0])
	for _, line := range lines[1:] {
		fields := bytes.Fields(line)
		if column >= len(fields) {
			continue
		}
		if pid, ok := digits(string(fields[column])); ok && slices.Contains(pids, pid) {
			out = append(out, line...)
		}
	}
	_, err := os.Stdout.Write(out)
	return err
}
