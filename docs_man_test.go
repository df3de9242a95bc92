// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// section is one of a man page, with its heading.
type section struct{ title, text string }

// commandPage is the man page of a command. The sections that the table does not
// have, such as NOTES, are those of the page as it was.
func commandPage(c *cli.Command, was string) string {
	about, status, _ := strings.Cut(c.Description, exitStatusWords)
	usage := ".B corten\n.RI [ \"global options\" ]\n.B " + c.Name + "\n"
	if len(c.VisibleFlags()) > 0 {
		usage += ".RI [ options ]\n"
	}
	if c.ArgsUsage != "" {
		usage += ".I " + roff(c.ArgsUsage) + "\n"
	}
	made := []section{{"NAME", "corten-" + c.Name + ` \- ` + roff(purpose(c)) + "\n"}, {"SYNOPSIS", usage}}
	made = append(made, section{"DESCRIPTION", paragraph(sentence(purpose(c)) + " " + about)})
	if len(c.VisibleFlags()) > 0 {
		made = append(made, section{"OPTIONS", manFlags(c.Flags)})
	}
	made = append(made, section{"EXIT STATUS", paragraph(sentence(status))})
	last := section{"SEE ALSO", ".BR corten (1)\n"}
	return manHead("CORTEN\\-"+strings.ToUpper(c.Name)) + join(append(append(made, others(was, append(made, last))...), last))
}

// generalPage is corten.1 with the options and commands of the table.
func generalPage(was string) string {
	list := ""
	for _, known := range commands {
		list += ".TP\n.BR corten\\-" + known.name + " (1)\n" + roff(sentence(purpose(known.define()))) + "\n"
	}
	made := map[string]string{"GLOBAL OPTIONS": manFlags(globalFlags()), "COMMANDS": list}
	sections := others(was, nil)
	for i, s := range sections {
		if text := made[s.title]; text != "" {
			sections[i].text = text
		}
	}
	return manHead("CORTEN") + join(sections)
}

func manHead(title string) string {
	return ".\\\" SPDX-License-Identifier: Apache-2.0\n.TH " + title + " 1 \"\" \"corten\" \"User commands\"\n"
}

// others are the sections of a page that are not among made.
func others(page string, made []section) (rest []section) {
	parts := strings.Split("\n"+page, "\n.SH ")
next:
	for _, part := range parts[1:] {
		title, text, _ := strings.Cut(part, "\n")
		for _, m := range made {
			if m.title == title {
				continue next
			}
		}
		rest = append(rest, section{title, strings.TrimSuffix(text, "\n") + "\n"})
	}
	return rest
}

func join(sections []section) (page string) {
	for _, s := range sections {
		page += ".SH " + s.title + "\n" + s.text
	}
	return page
}

func manFlags(flags []cli.Flag) (text string) {
	for _, o := range describeFlags(flags) {
		text += ".TP\n.BR \\-\\-" + roff(o.names[0])
		for _, name := range o.names[1:] {
			text += ` ", " \-` + roff(name)
		}
		if o.value != "" {
			text += ` " \fI` + roff(o.value) + `\fP"`
		}
		usage := o.usage + "."
		if o.value == "" || !strings.HasPrefix(o.usage, o.value) {
			usage = sentence(o.usage)
		}
		if o.repeated {
			usage += " Repeatable."
		}
		if o.standard != "" {
			usage += " Default: " + o.standard + "."
		}
		text += "\n" + paragraph(usage)
	}
	return text
}

// paragraph starts each sentence on a line of its own.
func paragraph(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if text != "" && strings.IndexByte(".!?", text[len(text)-1]) < 0 {
		text += "."
	}
	return strings.ReplaceAll(roff(text), ". ", ".\n") + "\n"
}

// roff is text that is nothing but text.
func roff(text string) string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, `\`, `\e`), "-", `\-`)
	text = strings.ReplaceAll(text, `"`, `\(dq`)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
