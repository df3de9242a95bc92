// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"

	"github.com/urfave/cli/v2"
)

const screen = 80 // columns

// help prints the help of a command, or of corten. The man pages and the
// completions are made of the same table (docs_test.go).
func help(command string) error {
	text := overview()
	for _, known := range commands {
		if known.name == command {
			text = commandHelp(known.define())
		}
	}
	_, err := os.Stdout.WriteString(text)
	return err
}

// overview is at most a screen of 24 lines: the commands in two columns, and the
// global options.
func overview() string {
	const column = screen / 2
	var cells []string
	for _, known := range commands {
		cells = append(cells, pad("  "+known.name, 13)+known.define().Usage)
	}
	var b strings.Builder
	b.WriteString("usage: corten [OPTION...] COMMAND [OPTION...] [ID] [ARGUMENT...]\n")
	rows := (len(cells) + 1) / 2
	for i, left := range cells[:rows] {
		if rows+i < len(cells) {
			left = pad(left, column) + cells[rows+i]
		}
		b.WriteString(left + "\n")
	}
	b.WriteString("\n")
	writeFlags(&b, globalFlags(), 29)
	b.WriteString("More: corten COMMAND --help, corten(1)\n")
	return b.String()
}

// exitStatusWords begin the last part of a command's description.
const exitStatusWords = "Exit status: "

func commandHelp(c *cli.Command) string {
	var b strings.Builder
	b.WriteString("usage: corten " + synopsis(c) + "\n\n")
	about, status, _ := strings.Cut(c.Description, exitStatusWords)
	wrap(&b, "", 0, sentence(purpose(c))+" "+about)
	wrap(&b, "", 0, exitStatusWords+status)
	if len(c.VisibleFlags()) > 0 {
		b.WriteString("\n")
		writeFlags(&b, c.Flags, 32)
	}
	return b.String()
}

// synopsis is "NAME [OPTION...] OPERANDS".
func synopsis(c *cli.Command) string {
	text := c.Name
	if len(c.VisibleFlags()) > 0 {
		text += " [OPTION...]"
	}
	return strings.TrimSpace(text + " " + c.ArgsUsage)
}

// option is a flag as help, man page and completion show it.
type option struct {
	names    []string // without dashes, the long one first
	value    string   // placeholder, such as FILE or text|json; "": a switch
	usage    string
	standard string // value when it is not given; "": none
	repeated bool
}

// choices are the values it takes, if it takes no others.
func (o *option) choices() []string {
	if !strings.Contains(o.value, "|") {
		return nil
	}
	return strings.Split(o.value, "|")
}

// describeFlags are the flags a user should know.
func describeFlags(flags []cli.Flag) []option {
	var all []option
	for _, f := range flags {
		if visible, ok := f.(cli.VisibleFlag); !ok || !visible.IsVisible() {
			continue
		}
		o := option{names: f.Names()}
		switch f := f.(type) {
		case *cli.StringFlag:
			o.usage, o.standard = f.Usage, f.Value
			if f.DefaultText != "" {
				o.standard = f.DefaultText
			}
		case *cli.BoolFlag:
			o.usage = f.Usage
		case *cli.IntFlag:
			o.usage = f.Usage
		case *cli.DurationFlag:
			o.usage, o.standard = f.Usage, f.Value.String()
		case *cli.GenericFlag:
			o.usage, o.repeated = f.Usage, true
		}
		// The name of the value is between backticks.
		if before, rest, ok := strings.Cut(o.usage, "`"); ok {
			value, after, _ := strings.Cut(rest, "`")
			if o.value = value; o.choices() == nil {
				before += value
			}
			o.usage = strings.TrimRight(before+after, ": ")
		}
		all = append(all, o)
	}
	return all
}

// writeFlags writes one flag a line: its names, and from column on its usage.
func writeFlags(b *strings.Builder, flags []cli.Flag, column int) {
	for _, o := range describeFlags(flags) {
		line := "  "
		for _, name := range o.names[1:] {
			line += "-" + name + ", "
		}
		line += "--" + o.names[0]
		if o.value != "" {
			line += " " + o.value
		}
		text := o.usage
		if o.repeated {
			text += "; repeatable"
		}
		if o.standard != "" {
			text += " (" + o.standard + ")"
		}
		wrap(b, line, column, text)
	}
}

// wrap writes text from column on, after line, and breaks it at the screen's end.
func wrap(b *strings.Builder, line string, column int, text string) {
	line = pad(line, column-1)
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > screen {
			b.WriteString(line + "\n")
			line = pad("", column-1)
		}
		if len(line) > 0 {
			line += " "
		}
		line += word
	}
	b.WriteString(line + "\n")
}

// purpose is what a command does, in words that stand alone.
func purpose(c *cli.Command) string { return strings.ReplaceAll(c.Usage, "ID", "a container") }

func sentence(text string) string { return strings.ToUpper(text[:1]) + text[1:] + "." }

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-len(s)))
}
