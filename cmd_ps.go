// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

func psCommand() *cli.Command {
	return &cli.Command{
		ArgsUsage: "ID [PS-OPTION...]",
		Description: "Lists the container's processes: those of ps(1) with the given options (default: -ef).\n\n" +
			"Exit status: 0, or 1 if there is no such container or ps failed.",
		Flags: []cli.Flag{&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: "table", Usage: "table or json"}},
		Action: func(c *cli.Context) error {
			if c.NArg() < 1 {
				return errors.New("ps: want a container id")
			}
			pids, err := runtimeOf(c).Processes(c.Args().First())
			if err != nil {
				return err
			}
			switch c.String("format") {
			case "json":
				if pids == nil {
					pids = []int{}
				}
				b, err := json.Marshal(pids)
				if err == nil {
					_, err = os.Stdout.Write(append(b, '\n'))
				}
				return err
			case "table":
				return printProcesses(c.Args().Tail(), pids)
			}
			return errors.New("invalid format option")
		},
	}
}

// printProcesses prints the lines of ps(1) whose column PID is among pids.
func printProcesses(options []string, pids []int) error {
	if len(options) == 0 {
		options = []string{"-ef"}
	}
	out, err := exec.Command("ps", options...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ps: %w: %s", err, strings.TrimSpace(string(out)))
	}
	header, rest, _ := strings.Cut(string(out), "\n")
	column := slices.Index(strings.Fields(header), "PID")
	if column < 0 {
		return errors.New("ps: no column PID in its output")
	}
	fmt.Println(header)
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if column >= len(fields) {
			continue
		}
		if pid, err := strconv.Atoi(fields[column]); err == nil && slices.Contains(pids, pid) {
			fmt.Print(line)
		}
	}
	return nil
}
