// SPDX-License-Identifier: Apache-2.0

package rootfs

import (
	"strings"

	"golang.org/x/sys/unix"
)

// options is what a mount's option strings ask for, read once.
type options struct {
	bind, recursive bool // bind, rbind
	remount         bool

	attrSet, attrClear uint64 // MOUNT_ATTR_* of the mount itself
	recSet, recClear   uint64 // MOUNT_ATTR_* of it and all below (rro, ...)

	propagation    uint64 // MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE; 0: not given
	propagationRec bool

	words   word
	mapping int // index of the option idmap=... or ridmap=..., which has the mappings itself; -1: none

	data []datum // for the file system
}

// word is a set of options that are neither flags nor data.
type word uint8

const (
	idmap        word = 1 << iota // the mount has an id mapping
	ridmap                        // ... and so have those below it
	copyUp                        // tmpcopyup: a tmpfs begins with what it covers
	copySymlink                   // copy-symlink: a source that is a link is made anew, not mounted
	srcNofollow                   // src-nofollow: a source that is a link is mounted itself
	destNofollow                  // dest-nofollow: a destination that is a link is mounted over itself
)

// datum is an option for fsconfig(2): a flag, or a key with its value.
type datum struct {
	index      int // in mounts[].options
	key, value string
	isFlag     bool
	generic    bool // known to every file system; on a bind mount without effect, as for mount(2)
}

// kind is what an option does.
type kind uint8

const (
	attribute   kind = iota + 1 // set and clear attributes of the mount
	recursive                   // the same, for all mounts below too
	propagation                 // set is MS_*, clear is MS_REC or 0
	superblock                  // passed to the file system as the flag name
	nothing                     // a default, said aloud
	bindOnly                    // bind and rbind
	remount
	special // set is a word
)

// Option is a row of the one table of mount options.
type option struct {
	name       string
	kind       kind
	set, clear uint64
	flag       string // superblock: its name for fsconfig(2)
}

const (
	noatime     = unix.MOUNT_ATTR_NOATIME
	strictatime = unix.MOUNT_ATTR_STRICTATIME
	anyAtime    = unix.MOUNT_ATTR__ATIME
)

// table is every option corten knows; what is not in it goes to the file
// system. features prints it, so that the two cannot differ. Names and
// meanings: mount(8), and config.md of the runtime-spec for the r* ones.
var table = [...]option{
	{name: "async", kind: superblock, flag: "async"},
	{name: "atime", kind: attribute, clear: anyAtime},
	{name: "bind", kind: bindOnly},
	{name: "copy-symlink", kind: special, set: uint64(copySymlink)},
	{name: "defaults", kind: nothing},
	{name: "dest-nofollow", kind: special, set: uint64(destNofollow)},
	{name: "dev", kind: attribute, clear: unix.MOUNT_ATTR_NODEV},
	{name: "diratime", kind: attribute, clear: unix.MOUNT_ATTR_NODIRATIME},
	{name: "dirsync", kind: superblock, flag: "dirsync"},
	{name: "exec", kind: attribute, clear: unix.MOUNT_ATTR_NOEXEC},
	{name: "idmap", kind: special, set: uint64(idmap)},
	{name: "iversion", kind: nothing},
	{name: "lazytime", kind: superblock, flag: "lazytime"},
	{name: "loud", kind: nothing},
	{name: "mand", kind: superblock, flag: "mand"},
	{name: "noatime", kind: attribute, set: noatime, clear: anyAtime},
	{name: "nodev", kind: attribute, set: unix.MOUNT_ATTR_NODEV},
	{name: "nodiratime", kind: attribute, set: unix.MOUNT_ATTR_NODIRATIME},
	{name: "noexec", kind: attribute, set: unix.MOUNT_ATTR_NOEXEC},
	{name: "noiversion", kind: nothing},
	{name: "nolazytime", kind: superblock, flag: "nolazytime"},
	{name: "nomand", kind: superblock, flag: "nomand"},
	{name: "norelatime", kind: attribute, set: strictatime, clear: anyAtime},
	{name: "nostrictatime", kind: attribute, clear: anyAtime},
	{name: "nosuid", kind: attribute, set: unix.MOUNT_ATTR_NOSUID},
	{name: "nosymfollow", kind: attribute, set: unix.MOUNT_ATTR_NOSYMFOLLOW},
	{name: "private", kind: propagation, set: unix.MS_PRIVATE},
	{name: "ratime", kind: recursive, clear: anyAtime},
	{name: "rbind", kind: bindOnly, set: 1},
	{name: "rdev", kind: recursive, clear: unix.MOUNT_ATTR_NODEV},
	{name: "rdiratime", kind: recursive, clear: unix.MOUNT_ATTR_NODIRATIME},
	{name: "relatime", kind: attribute, clear: anyAtime},
	{name: "remount", kind: remount},
	{name: "rexec", kind: recursive, clear: unix.MOUNT_ATTR_NOEXEC},
	{name: "ridmap", kind: special, set: uint64(idmap | ridmap)},
	{name: "rnoatime", kind: recursive, set: noatime, clear: anyAtime},
	{name: "rnodev", kind: recursive, set: unix.MOUNT_ATTR_NODEV},
	{name: "rnodiratime", kind: recursive, set: unix.MOUNT_ATTR_NODIRATIME},
	{name: "rnoexec", kind: recursive, set: unix.MOUNT_ATTR_NOEXEC},
	{name: "rnorelatime", kind: recursive, set: strictatime, clear: anyAtime},
	{name: "rnostrictatime", kind: recursive, clear: anyAtime},
	{name: "rnosuid", kind: recursive, set: unix.MOUNT_ATTR_NOSUID},
	{name: "rnosymfollow", kind: recursive, set: unix.MOUNT_ATTR_NOSYMFOLLOW},
	{name: "ro", kind: attribute, set: unix.MOUNT_ATTR_RDONLY},
	{name: "rprivate", kind: propagation, set: unix.MS_PRIVATE, clear: unix.MS_REC},
	{name: "rrelatime", kind: recursive, clear: anyAtime},
	{name: "rro", kind: recursive, set: unix.MOUNT_ATTR_RDONLY},
	{name: "rrw", kind: recursive, clear: unix.MOUNT_ATTR_RDONLY},
	{name: "rshared", kind: propagation, set: unix.MS_SHARED, clear: unix.MS_REC},
	{name: "rslave", kind: propagation, set: unix.MS_SLAVE, clear: unix.MS_REC},
	{name: "rstrictatime", kind: recursive, set: strictatime, clear: anyAtime},
	{name: "rsuid", kind: recursive, clear: unix.MOUNT_ATTR_NOSUID},
	{name: "rsymfollow", kind: recursive, clear: unix.MOUNT_ATTR_NOSYMFOLLOW},
	{name: "runbindable", kind: propagation, set: unix.MS_UNBINDABLE, clear: unix.MS_REC},
	{name: "rw", kind: attribute, clear: unix.MOUNT_ATTR_RDONLY},
	{name: "shared", kind: propagation, set: unix.MS_SHARED},
	{name: "silent", kind: nothing},
	{name: "slave", kind: propagation, set: unix.MS_SLAVE},
	{name: "src-nofollow", kind: special, set: uint64(srcNofollow)},
	{name: "strictatime", kind: attribute, set: strictatime, clear: anyAtime},
	{name: "suid", kind: attribute, clear: unix.MOUNT_ATTR_NOSUID},
	{name: "symfollow", kind: attribute, clear: unix.MOUNT_ATTR_NOSYMFOLLOW},
	{name: "sync", kind: superblock, flag: "sync"},
	{name: "tmpcopyup", kind: special, set: uint64(copyUp)},
	{name: "unbindable", kind: propagation, set: unix.MS_UNBINDABLE},
}

// OptionNames are the mount options corten handles itself, sorted.
func OptionNames() []string {
	var names []string
	for i := range table {
		names = append(names, table[i].name)
	}
	return names
}

func lookup(name string) *option {
	lo, hi := 0, len(table)
	for lo < hi {
		if mid := (lo + hi) / 2; table[mid].name < name {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(table) && table[lo].name == name {
		return &table[lo]
	}
	return nil
}

// parseOptions reads the strings of one mount. A later option wins over an
// earlier one.
func parseOptions(list []string) (o options) {
	o.mapping = -1
	for i, text := range list {
		row := lookup(text)
		if name, _, spelled := strings.Cut(text, "="); spelled && (name == "idmap" || name == "ridmap") {
			row, o.mapping = lookup(name), i
		}
		if row == nil {
			o.data = appendData(o.data, i, text)
			continue
		}
		switch row.kind {
		case attribute:
			o.attrSet = o.attrSet&^row.clear | row.set
			o.attrClear = o.attrClear&^row.set | row.clear
		case recursive:
			o.recSet = o.recSet&^row.clear | row.set
			o.recClear = o.recClear&^row.set | row.clear
		case propagation:
			o.propagation, o.propagationRec = row.set, row.clear != 0
		case superblock:
			o.data = append(o.data, datum{i, row.flag, "", true, true})
		case bindOnly:
			o.bind, o.recursive = true, o.recursive || row.set != 0
		case remount:
			o.remount = true
		case special:
			o.words |= word(row.set)
		}
	}
	// The kernel wants the whole atime field cleared when any of it is set.
	if (o.attrSet|o.attrClear)&anyAtime != 0 {
		o.attrClear |= anyAtime
	}
	if (o.recSet|o.recClear)&anyAtime != 0 {
		o.recClear |= anyAtime
	}
	return o
}

// fold makes the recursive attributes those of the mount itself.
func (o *options) fold() {
	o.attrSet, o.attrClear = o.attrSet&^o.recClear|o.recSet, o.attrClear&^o.recSet|o.recClear
	o.recSet, o.recClear = 0, 0
}

// appendData adds an option for the file system. As in the data of mount(2),
// where option strings are joined, a comma separates: unless it is quoted, as
// in an SELinux context, or follows a backslash, as in overlay's directories.
func appendData(data []datum, index int, text string) []datum {
	quoted, start := false, 0
	for i := 0; i <= len(text); i++ {
		if i < len(text) && text[i] == '\\' {
			i++ // what follows separates nothing
			continue
		}
		if i < len(text) && text[i] == '"' {
			quoted = !quoted
		}
		if i < len(text) && (text[i] != ',' || quoted) {
			continue
		}
		if part := text[start:i]; part != "" {
			key, value, hasValue := strings.Cut(part, "=")
			value = strings.ReplaceAll(strings.Trim(value, `"`), `\,`, ",")
			data = append(data, datum{index, key, value, !hasValue, false})
		}
		start = i + 1
	}
	return data
}
