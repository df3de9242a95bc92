// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path"
	"time"
)

// persona is the program that callers take corten for, by the name it is called
// by: engines ask more of runtimes that they know by name.
type persona struct {
	name string
	// The release whose command line and features corten has; "": corten's own.
	// Callers compare versions with it.
	level string
}

var personas = [...]persona{{name: "corten"}, {"runc", "1.5.0"}, {"crun", "1.29"}}

// self is how corten was called.
var self = &personas[0]

// take makes self what a path of corten says.
func take(program string) {
	for i := range personas {
		if path.Base(program) == personas[i].name {
			self = &personas[i]
		}
	}
}

// root is where that program has its containers when root is the caller.
func (p *persona) root() string { return "/run/" + p.name }

// version is that program's, with corten's own behind it (semver.org, 10).
func (p *persona) version() string {
	if p.level == "" {
		return version
	}
	return p.level + "+corten." + version
}

// complaint is a failure as that program writes it to stderr. logged says that
// it is in a log, too.
func (p *persona) complaint(report *line, logged bool) string {
	switch {
	case p.level == "":
		text := "corten: " + report.Msg + "\n"
		if report.Hint != "" {
			text += "  hint: " + report.Hint + "\n"
		}
		return text
	case logged:
		return report.Msg + "\n"
	case p.name == "crun":
		return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") + ": " + report.Msg + "\n"
	}
	return report.encode(false)
}
