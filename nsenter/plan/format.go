// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// String is the op's name in ops.def.
func (op Op) String() string {
	if op >= nOps {
		return "op" + strconv.Itoa(int(op))
	}
	return ops[op].name
}

// Call is the step as a call: the op and its arguments, with flags by name.
func (s *Step) Call() string {
	var b bytes.Buffer
	b.WriteString(s.Op.String())
	signature := ops[s.Op].signature
	for i, arg := range s.Args {
		if signature[i] == 'F' {
			continue
		}
		b.WriteByte(' ')
		switch arg := arg.(type) {
		case Slot:
			b.WriteString(arg.String())
		case uint64:
			if text := s.word(i, arg); text != "" {
				b.WriteString(text)
			} else {
				b.Truncate(b.Len() - 1)
			}
		case string:
			if s.Op == OpFsconfig && arg == "" {
				b.Truncate(b.Len() - 1) // a flag has no value, a command no key
			} else {
				b.WriteString(strconv.Quote(arg))
			}
		case []string:
			b.WriteString(list(arg))
		case []byte:
			b.WriteString(s.blob(arg))
		}
	}
	for i, arg := range s.Args {
		if signature[i] == 'F' {
			b.WriteString(" → " + arg.(Slot).String())
		}
	}
	return b.String()
}

// blob prints a blob where it is text or groups, else its size.
func (s *Step) blob(b []byte) string {
	switch {
	case s.Op == OpSetgroups:
		gids := []uint32{}
		for ; len(b) >= 4; b = b[4:] {
			gids = append(gids, le.Uint32(b))
		}
		return fmt.Sprint(gids)
	case s.Op == OpSchedSetattr, s.Op == OpSchedSetaffinity, s.Op == OpSetMempolicy:
		return schedulingBlob(s.Op, b)
	case s.Op == OpWrite && len(b) <= 64 && printable(b):
		return strconv.Quote(string(b))
	}
	return "<" + strconv.Itoa(len(b)) + " bytes>"
}

// word prints the number that is argument i; "" leaves it out, where it says
// nothing.
func (s *Step) word(i int, n uint64) string {
	name := ops[s.Op].args[i]
	switch {
	case s.Op == OpOpenat2 && n == 0 && name != "flags",
		s.Op == OpMountSetattr && n == 0, s.Op == OpCheck && n == 0, s.Op == OpFsmount && n == 0:
		return ""
	case s.Op == OpMountSetattr && name != "flags":
		return name + " " + number(s.Op, i, n)
	case name == "rdev", name == "dev":
		if s.Args[i-1].(uint64)&unix.S_IFMT == unix.S_IFREG {
			return ""
		}
		return strconv.FormatUint(uint64(unix.Major(n)), 10) + ":" + strconv.FormatUint(uint64(unix.Minor(n)), 10)
	case s.Op == OpSetpriority, s.Op == OpIoprioSet, s.Op == OpSetMempolicy:
		return schedulingWord(s.Op, n)
	case s.Op == OpCapbset, s.Op == OpCapset, s.Op == OpCapAmbient:
		return capabilitySet(name, n)
	case s.Op == OpCheckCaps:
		return "" // what the steps before have set
	case s.Op == OpCheck && name == "mode":
		return fileType(n)
	case s.Op == OpMknodat && name == "mode":
		return fileType(n) + " 0" + strconv.FormatUint(n&0o7777, 8)
	case s.Op == OpCheck && n&CheckNot != 0:
		return "not in " + magicName(n&^CheckNot)
	case s.Op == OpCheck:
		return "in " + magicName(n)
	}
	return number(s.Op, i, n)
}

func capabilitySet(name string, set uint64) string {
	if set == 0 {
		return name + " none"
	}
	return name + " " + CapabilityList(set)
}

// fileType is the type in a mode, as inode(7) names it.
func fileType(mode uint64) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFCHR:
		return "character device"
	case unix.S_IFBLK:
		return "block device"
	case unix.S_IFDIR:
		return "directory"
	case unix.S_IFREG:
		return "regular file"
	case unix.S_IFIFO:
		return "fifo"
	}
	return "0" + strconv.FormatUint(mode, 8)
}

// magicName is a file system type by its number (statfs(2)).
func magicName(magic uint64) string {
	switch magic {
	case unix.PROC_SUPER_MAGIC:
		return "proc"
	case unix.DEVPTS_SUPER_MAGIC:
		return "devpts"
	}
	return "0x" + strconv.FormatUint(magic, 16)
}

// String is "cwd", or the slot's number after an s.
func (s Slot) String() string {
	if s == Cwd {
		return "cwd"
	}
	return "s" + strconv.Itoa(int(s))
}

// Condition says when the step runs, in the notation of `corten plan`; "" if
// always.
func (s *Step) Condition() string {
	var parts []string
	if s.Else {
		parts = append(parts, "else")
	}
	if s.When != None && !s.Unless {
		parts = append(parts, "if "+s.When.String())
	}
	if s.When != None && s.Unless {
		parts = append(parts, "if no "+s.When.String())
	}
	if len(s.Tolerate) > 0 {
		names := make([]string, len(s.Tolerate))
		for i, e := range s.Tolerate {
			names[i] = string(e)
		}
		parts = append(parts, "may fail with "+strings.Join(names, ", "))
	}
	return strings.Join(parts, "; ")
}

// Format is the plan as text: the inputs the runtime opens, then the steps of
// the executor, each with its number from 1 and the field it comes from.
func (p *Plan) Format() string {
	var b strings.Builder
	rows := make([][3]string, 0, len(p.Inputs)+len(p.Steps))
	for i, in := range p.Inputs {
		rows = append(rows, [3]string{"", in.Call() + " → " + Slot(i).String(), in.At.String()})
	}
	for i := range p.Steps {
		s := &p.Steps[i]
		call := s.Call()
		if c := s.Condition(); c != "" {
			call += "  (" + c + ")"
		}
		rows = append(rows, [3]string{strconv.Itoa(i + 1), call, s.At.String()})
	}
	const width = 78
	fmt.Fprintf(&b, "%4s  %-*s  %s\n", "step", width, "call", "from")
	for _, row := range rows {
		pad := max(0, width-len([]rune(row[1])))
		line := fmt.Sprintf("%4s  %s%s  %s", row[0], row[1], strings.Repeat(" ", pad), row[2])
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// Call is what the runtime does to open the input.
func (in *Input) Call() string {
	names := [...]string{KindTree: "open_tree", KindNamespace: "open", KindGate: "open exec.fifo",
		KindConsole: "connect console socket", KindPidfd: "pidfd_open of PID 1", KindCgroup: "open_tree", KindInherited: "own descriptor", KindAppend: "open",
		KindUsers: "clone CLONE_NEWUSER"}
	call := "input"
	if int(in.Kind) < len(names) {
		call = names[in.Kind]
	}
	if in.Path != "" {
		call += " " + strconv.Quote(in.Path)
	}
	if in.Or != "" {
		call += " or " + strconv.Quote(in.Or)
	}
	if in.Tree {
		call += " recursive"
	}
	if in.NoFollow {
		call += " nofollow"
	}
	if in.IDMap != nil {
		call += " " + in.IDMap.String()
	}
	return call
}

// String is the mapping in one line: "idmap uids 0:1000:1 gids 0:1000:1", inner
// id, outer id and size.
func (m *IDMap) String() string {
	name := "idmap"
	if m.Recursive {
		name = "ridmap"
	}
	if m.UserNS != "" {
		return name + " of " + strconv.Quote(m.UserNS)
	}
	list := func(text string) string {
		return strings.NewReplacer(" ", ":", "\n", ",").Replace(strings.TrimSuffix(text, "\n"))
	}
	return name + " uids " + list(m.UIDs) + " gids " + list(m.GIDs)
}

func printable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\n' || c > '~' {
			return false
		}
	}
	return true
}

// list shortens long vectors: an environment can hold secrets and pages.
func list(v []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, s := range v {
		if i == 8 {
			fmt.Fprintf(&b, " … %d more", len(v)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Quote(s))
	}
	b.WriteByte(']')
	return b.String()
}
