// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// How a value or operand is completed.
const (
	fromDirs = iota + 1
	fromFiles
)

// source says what a value is completed from; 0: from its choices, or not at all.
func (o *option) source() int {
	switch o.value {
	case "DIR":
		return fromDirs
	case "FILE", "SOCKET":
		return fromFiles
	}
	return 0
}

// takesID reports whether the first operand is a container there is: what takes
// a bundle makes a new one.
func takesID(c *cli.Command) bool {
	for _, o := range describeFlags(c.Flags) {
		if o.names[0] == "bundle" {
			return false
		}
	}
	return strings.HasPrefix(c.ArgsUsage, "ID")
}

// idCommands are those that take one, between separators.
func idCommands(separator string) string {
	var names []string
	for _, known := range commands {
		if takesID(known.define()) {
			names = append(names, known.name)
		}
	}
	return strings.Join(names, separator)
}

// dashed are names as they are written on a command line, the short ones first.
func dashed(names []string) (all []string) {
	for _, name := range names {
		if len(name) > 1 {
			all = append(all, "--"+name)
		} else {
			all = append([]string{"-" + name}, all...)
		}
	}
	return all
}

// longNames are the options of a command for bash to offer.
func longNames(options []option) (text string) {
	for _, o := range options {
		text += "--" + o.names[0] + " "
	}
	return text + "--help"
}

func bashCompletion() string {
	global := describeFlags(globalFlags())
	verbs, options, valued := "", "", []string{}
	for _, known := range commands {
		verbs += known.name + " "
		options += "\t" + known.name + ") words=\"" + longNames(describeFlags(known.define().Flags)) + "\" ;;\n"
	}
	for _, o := range global {
		if o.value != "" && o.names[0] != "root" {
			valued = append(valued, dashed(o.names)...)
		}
	}
	return `# SPDX-License-Identifier: Apache-2.0
# Completion of corten for bash.

_corten() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} root=() verb= i words
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--root) root=(--root "${COMP_WORDS[++i]}") ;;
		` + strings.Join(valued, " | ") + `) ((i++)) ;;
		-*) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case $verb:$before in
` + bashValues("", global) + bashCommandValues() + `	esac
	case $verb in
	"") words="` + verbs + longNames(global) + `" ;;
` + options + `	esac
	case $verb in
	` + idCommands(" | ") + `) [[ $word == -* ]] || words=$(corten "${root[@]}" list -q 2>/dev/null) ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o bashdefault -o default -F _corten corten
`
}

func bashCommandValues() (text string) {
	for _, known := range commands {
		text += bashValues(known.name, describeFlags(known.define().Flags))
	}
	return text
}

// bashValues completes the values of the options of a command.
func bashValues(verb string, options []option) (text string) {
	one := func(o *option, how string) {
		patterns := strings.Join(dashed(o.names), " | "+verb+":")
		text += "\t" + verb + ":" + patterns + ") mapfile -t COMPREPLY < <(compgen " + how + " -- \"$word\") && return ;;\n"
	}
	for i := range options {
		o := &options[i]
		switch {
		case o.source() == fromDirs:
			one(o, "-d")
		case o.source() == fromFiles:
			one(o, "-f")
		case o.choices() != nil:
			one(o, `-W "`+strings.Join(o.choices(), " ")+`"`)
		}
	}
	return text
}

func zshCompletion() string {
	verbs, arguments := "", ""
	for _, known := range commands {
		c := known.define()
		verbs += "\t\t'" + known.name + ":" + inZsh(purpose(c)) + "'\n"
		arguments += "\t" + known.name + ") _arguments \\\n" + zshFlags(describeFlags(c.Flags), "\t\t") + "\t\t'(-h --help)'{-h,--help}'[print help]'"
		if takesID(c) {
			arguments += " '1:id:_corten_ids'"
		}
		if strings.Contains(c.ArgsUsage, "SIGNAL") {
			arguments += " '2:signal:_signals'"
		}
		if strings.Contains(c.ArgsUsage, "COMMAND") {
			arguments += " '*::command:_normal'"
		}
		arguments += " ;;\n"
	}
	return `#compdef corten
# SPDX-License-Identifier: Apache-2.0
# Completion of corten for zsh.

_corten_ids() {
	local -a ids
	ids=(${(f)"$(corten ${opt_args[--root]:+--root ${opt_args[--root]}} list -q 2>/dev/null)"})
	compadd -a ids
}

local context state line
local -A opt_args
_arguments -C \
` + zshFlags(describeFlags(globalFlags()), "\t") + `	'(-h --help)'{-h,--help}'[print help]' \
	'1:command:->command' '*::argument:->argument' && return
case $state in
command)
	local -a commands=(
` + verbs + `	)
	_describe command commands
	;;
argument)
	case $line[1] in
` + arguments + `	esac
	;;
esac
`
}

func zshFlags(options []option, indent string) (text string) {
	for _, o := range options {
		line, all := "'--"+o.names[0], strings.Join(dashed(o.names), " ")
		if o.repeated {
			line = "'*'{" + strings.ReplaceAll(all, " ", ",") + "}'"
		} else if len(o.names) > 1 {
			line = "'(" + all + ")'{" + strings.ReplaceAll(all, " ", ",") + "}'"
		}
		line += "[" + inZsh(o.usage) + "]"
		if o.value != "" {
			line += ":" + inZsh(strings.ToLower(o.value)) + ":"
		}
		switch {
		case o.source() == fromDirs:
			line += "_files -/"
		case o.source() == fromFiles:
			line += "_files"
		case o.choices() != nil:
			line += "(" + strings.Join(o.choices(), " ") + ")"
		}
		text += indent + line + "' \\\n"
	}
	return text
}

func inZsh(text string) string {
	return strings.NewReplacer("'", `'\''`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(text)
}

func fishCompletion() string {
	text := `# SPDX-License-Identifier: Apache-2.0
# Completion of corten for fish.

complete -c corten -f
complete -c corten -s h -l help -d 'print help'
` + fishFlags("__fish_use_subcommand", describeFlags(globalFlags()))
	for _, known := range commands {
		c := known.define()
		text += "complete -c corten -n __fish_use_subcommand -a " + known.name + " -d " + inFish(purpose(c)) + "\n" +
			fishFlags("'__fish_seen_subcommand_from "+known.name+"'", describeFlags(c.Flags))
	}
	return text + "complete -c corten -n '__fish_seen_subcommand_from " + idCommands(" ") + "' -a '(corten list -q 2>/dev/null)'\n"
}

func fishFlags(condition string, options []option) (text string) {
	for _, o := range options {
		text += "complete -c corten -n " + condition
		for _, name := range o.names[1:] {
			text += " -s " + name
		}
		text += " -l " + o.names[0]
		switch {
		case o.source() == fromDirs:
			text += " -x -a '(__fish_complete_directories)'"
		case o.source() == fromFiles:
			text += " -r -F"
		case o.choices() != nil:
			text += " -x -a '" + strings.Join(o.choices(), " ") + "'"
		case o.value != "":
			text += " -x"
		}
		text += " -d " + inFish(o.usage) + "\n"
	}
	return text
}

func inFish(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
