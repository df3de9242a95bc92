// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func checkCommand() *cli.Command {
	return &cli.Command{
		Name: "check", Usage: "list what create refuses", ArgsUsage: "[ID]",
		Description: "Nothing is made, and no hook is run. A finding is a line: error or warning, the\n" +
			"field of config.json, what is wrong and what to do.\n" +
			"Exit status: 0 when create would take the bundle; 1 with an error among them.",
		Flags: append(createFlags(),
			&cli.BoolFlag{Name: "init", Usage: "with the small init of run --init"},
			&cli.BoolFlag{Name: "json", Usage: "print a JSON array of {pointer, severity, text, hint}"}),
		Action: func(c *cli.Context) error {
			args := c.Args()
			if args.Len() > 1 {
				return &misuse{"check", errors.New("check takes at most one argument ([ID])")}
			}
			findings := idleRuntime(c).Check(libcontainer.CreateOptions{
				ID: args.First(), Bundle: c.String("bundle"), Config: c.String("config"), ConsoleSocket: c.String("console-socket"), PidfdSocket: c.String("pidfd-socket"), PIDFile: c.String("pid-file"), PreserveFDs: c.Int("preserve-fds"),
				NoPivot: c.Bool("no-pivot"), NoNewKeyring: c.Bool("no-new-keyring"), Init: c.Bool("init"),
			})
			text, err := findingsText(findings, c.Bool("json"))
			if err == nil {
				_, err = os.Stdout.WriteString(text)
			}
			if err != nil {
				return err
			}
			for _, f := range findings {
				if f.Severity == libcontainer.SeverityError {
					return exitStatus(1)
				}
			}
			return nil
		},
	}
}

// findingsText is one line a finding, or a JSON array.
func findingsText(findings []libcontainer.Finding, asJSON bool) (string, error) {
	if asJSON {
		text, err := json.MarshalIndent(append([]libcontainer.Finding{}, findings...), "", "  ")
		return string(text) + "\n", err
	}
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(f.String() + "\n")
	}
	return b.String(), nil
}
