// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestArrange(t *testing.T) {
	for words, want := range map[string]string{
		"kill x 9":                       "| x 9",
		"kill x 9 --all":                 "--all | x 9",
		"kill -a x 9":                    "-a | x 9",
		"kill -- x 9":                    "| x 9",
		"kill x -- -9":                   "| x -9",
		"delete x -f":                    "-f | x",
		"run x --bundle /b -d":           "--bundle /b -d | x",
		"run x -bundle=/b -no-subreaper": "-bundle=/b -no-subreaper | x",
		"run --pid-file -d x":            "--pid-file -d | x", // -d is the file
		"run x --bundle":                 "--bundle | x",
		"run x --nosuch y":               "--nosuch | x y",
		"run - x":                        "| - x",
		"state":                          "|",
		"list -q --format json":          "-q --format json |",
		"exec x ls -l":                   "| x ls -l",
		"exec -t x -- ls":                "-t | x -- ls",
		"exec -e A=b -- x ls":            "-e A=b | x ls",
		"ps x -ef":                       "| x -ef",
	} {
		fields := strings.Fields(words)
		flags, operands := arrange(fields, defined(t, fields[0]).Flags)
		got := strings.TrimSpace(strings.Join(flags, " ") + " | " + strings.Join(operands, " "))
		if got != want {
			t.Errorf("%s: got %q, want %q", words, got, want)
		}
	}
}

func defined(t *testing.T, name string) *cli.Command {
	t.Helper()
	for _, c := range commands {
		if c.name == name {
			return c.define()
		}
	}
	t.Fatal("no command " + name)
	return nil
}

func TestCutLeavesTheCommand(t *testing.T) {
	for words, want := range map[string]string{
		"--root /r --log=/l --debug state x": "--root /r --log=/l --debug | state x",
		"-root /r run --bundle b x":          "-root /r | run --bundle b x",
		"state --root":                       "| state --root",
		"--root":                             "--root |",
		"-- state":                           "| -- state",
		"":                                   "|",
	} {
		globals, rest := cut(strings.Fields(words), globalFlags())
		got := strings.TrimSpace(strings.Join(globals, " ") + " | " + strings.Join(rest, " "))
		if got != want {
			t.Errorf("%q: got %q, want %q", words, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	outer, err := parse(nil, &cli.Command{Flags: globalFlags()}, []string{"--root", "/r", "-debug"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	// A comma does not split, and both names of a flag are the same one.
	c, err := parse(outer, defined(t, "exec"), strings.Fields("-e A=1,2 --env B= -u=1:2 -t --cwd=/a=b -cap CAP_KILL"), strings.Fields("x sh -c -e"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := execOptions(c)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(o.Env, " ") != "A=1,2 B=" || o.ID != "x" || strings.Join(o.Args, " ") != "sh -c -e" || o.User != "1:2" || !o.TTY || o.Detach ||
		o.Cwd != "/a=b" || strings.Join(o.Caps, " ") != "CAP_KILL" {
		t.Errorf("options %+v", o)
	}
	if c.String("root") != "/r" || !c.IsSet("root") || !c.Bool("debug") || c.IsSet("log") || c.String("log-format") != "text" {
		t.Error("the global options are not in reach")
	}
	for words, want := range map[string]string{"-b": "flag needs an argument: -bundle", "--nosuch": "flag provided but not defined: -nosuch",
		"--preserve-fds x": `invalid value "x" for flag -preserve-fds: parse error`, "-h": "flag: help requested", "-detach=maybe": "invalid boolean"} {
		if _, err := parse(outer, defined(t, "run"), strings.Fields(words), []string{"x"}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", words, err, want)
		}
	}
}
