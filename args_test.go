// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestArrange(t *testing.T) {
	for words, want := range map[string]string{
		"kill x 9":                        "kill -- x 9",
		"kill x 9 --all":                  "kill --all -- x 9",
		"kill -a x 9":                     "kill -a -- x 9",
		"kill -- x 9":                     "kill -- x 9",
		"kill x -- -9":                    "kill -- x -9",
		"delete x -f":                     "delete -f -- x",
		"run x":                           "run -- x",
		"run x --bundle /b -d":            "run --bundle /b -d -- x",
		"run x -bundle=/b -no-subreaper":  "run -bundle=/b -no-subreaper -- x",
		"run --pid-file -d x":             "run --pid-file -d -- x", // -d is the file
		"run x --bundle":                  "run --bundle",           // lacks its value: the parser says so
		"run --bundle -d x":               "run --bundle -d -- x",
		"run x --nosuch y":                "run --nosuch -- x y",
		"run - x":                         "run -- - x",
		"state":                           "state",
		"list -q --format json":           "list -q --format json",
		"exec x ls -l":                    "exec x ls -l",
		"exec -t x -- ls":                 "exec -t x -- ls",
		"ps x -ef":                        "ps x -ef",
		"create --preserve-fds 2 x -b /b": "create --preserve-fds 2 -b /b -- x",
	} {
		fields := strings.Fields(words)
		var flags []cli.Flag
		for _, c := range commands {
			if c.name == fields[0] {
				flags = c.define().Flags
			}
		}
		if got := strings.Join(arrange(fields, flags), " "); got != want {
			t.Errorf("%s: got %q, want %q", words, got, want)
		}
	}
}

func TestCutLeavesTheCommand(t *testing.T) {
	for words, want := range map[string]string{
		"--root /r --log=/l --debug state x": "--root /r --log=/l --debug | state x",
		"-root /r run --bundle b x":          "-root /r | run --bundle b x",
		"state --root":                       "| state --root",
		"--root":                             "--root |",
		"-- state":                           "| state",
		"":                                   "|",
	} {
		globals, rest := cut(strings.Fields(words), globalFlags(), false)
		got := strings.TrimSpace(strings.Join(globals, " ") + " | " + strings.Join(rest, " "))
		if got != want {
			t.Errorf("%q: got %q, want %q", words, got, want)
		}
	}
}

// Values keep their commas: -e A=1,2 is one variable.
func TestListOptionsKeepCommas(t *testing.T) {
	var got []string
	app := &cli.App{DisableSliceFlagSeparator: true, Commands: []*cli.Command{execCommand()}, ExitErrHandler: func(*cli.Context, error) {}}
	app.Commands[0].Action = func(c *cli.Context) error {
		got = append(c.StringSlice("env"), c.Args().Slice()...)
		return nil
	}
	if err := app.Run(strings.Fields("corten exec -e A=1,2 -e B= x sh -c -e")); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, " ") != "A=1,2 B= x sh -c -e" {
		t.Errorf("got %q", got)
	}
}
