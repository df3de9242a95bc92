// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

const (
	elfMagic = "\x7fELF"
	headSize = 256 // what the kernel looks at (BINPRM_BUF_SIZE)
)

// head reads the beginning of a regular file.
func (f *file) head() ([]byte, error) { return f.read(0, headSize) }

// read reads at most size bytes from offset on. It waits for nobody: the file
// has been seen to be a regular one, and the descriptor is still the same file's.
func (f *file) read(offset int64, size int) ([]byte, error) {
	fd, err := unix.Open("/proc/self/fd/"+strconv.Itoa(f.fd), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	buf := make([]byte, size)
	n, err := unix.Pread(fd, buf, offset)
	return buf[:max(n, 0)], err
}

// machineName is what uname(2) calls the machine of an e_machine (elf(5)).
func machineName(number uint16, bits byte, order binary.ByteOrder) string {
	little := order == binary.LittleEndian
	pick := func(name, otherwise string, is bool) string {
		if is {
			return name
		}
		return otherwise
	}
	switch number {
	case 3:
		return "i386"
	case 8:
		return pick("mips64", "mips", bits == 2) + pick("el", "", little)
	case 20:
		return "ppc"
	case 21:
		return pick("ppc64le", "ppc64", little)
	case 22:
		return pick("s390x", "s390", bits == 2)
	case 40:
		return pick("arm", "armeb", little)
	case 43:
		return "sparc64"
	case 62:
		return pick("x86_64", "x32", bits == 2)
	case 183:
		return pick("aarch64", "aarch64_be", little)
	case 243:
		return pick("riscv64", "riscv32", bits == 2)
	case 247:
		return "bpf"
	case 258:
		return pick("loongarch64", "loongarch32", bits == 2)
	}
	return "machine " + strconv.Itoa(int(number))
}

// thisMachine is the name of the one corten runs on.
func thisMachine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "another"
	}
	return unix.ByteSliceToString(u.Machine[:])
}

// elf is the part of a header that says where it can run (elf(5)).
type elf struct {
	bits     byte // 1: 32, 2: 64
	order    binary.ByteOrder
	kind     uint16
	machine  uint16
	segments int64 // offset of the program headers
	size     int   // of one
	number   int
	short    bool // the rest is not known
}

func parseELF(head []byte) (e elf) {
	if len(head) < 52 || head[4] != 1 && head[4] != 2 || head[5] != 1 && head[5] != 2 || head[4] == 2 && len(head) < 64 {
		return elf{short: true}
	}
	e.bits, e.order = head[4], binary.LittleEndian
	if head[5] == 2 {
		e.order = binary.BigEndian
	}
	e.kind, e.machine = e.order.Uint16(head[16:]), e.order.Uint16(head[18:])
	if e.bits == 2 {
		e.segments = int64(e.order.Uint64(head[32:]))
		e.size, e.number = int(e.order.Uint16(head[54:])), int(e.order.Uint16(head[56:]))
	} else {
		e.segments = int64(e.order.Uint32(head[28:]))
		e.size, e.number = int(e.order.Uint16(head[42:])), int(e.order.Uint16(head[44:]))
	}
	return e
}

// interpreter is what PT_INTERP names, "" if nothing.
func (e *elf) interpreter(f *file) string {
	table, err := f.read(e.segments&(1<<62-1), min(e.size*e.number, 1<<16))
	if err != nil {
		return ""
	}
	for ; len(table) >= e.size; table = table[e.size:] {
		if e.order.Uint32(table) != 3 { // PT_INTERP
			continue
		}
		var offset, size uint64
		if e.bits == 2 {
			offset, size = e.order.Uint64(table[8:]), e.order.Uint64(table[32:])
		} else {
			offset, size = uint64(e.order.Uint32(table[4:])), uint64(e.order.Uint32(table[16:]))
		}
		name, err := f.read(int64(offset&(1<<62-1)), int(min(size, unix.PathMax)))
		if err != nil {
			return ""
		}
		name, _, _ = bytes.Cut(name, []byte{0})
		return string(name)
	}
	return ""
}

// program examines an ELF file.
func (x *examiner) program(f *file, head []byte, depth int) string {
	e := parseELF(head)
	if e.short {
		return f.path + " is a damaged ELF file"
	}
	if name, here := machineName(e.machine, e.bits, e.order), thisMachine(); name != here && (x.errno == unix.ENOEXEC || !runsToo(name, here)) {
		return f.path + " is a program for " + name + ", and this machine is " + here
	}
	if e.kind != 2 && e.kind != 3 { // ET_EXEC, ET_DYN
		return f.path + " is an ELF file, but no program: it has to be linked"
	}
	if e.size < 32 || e.bits == 2 && e.size < 56 {
		return f.path + " is a damaged ELF file"
	}
	if loader := e.interpreter(f); loader != "" {
		return x.helper("the loader of "+f.path, loader, depth)
	}
	return ""
}

// runsToo says whether a machine may run programs of another, 32-bit one.
func runsToo(name, here string) bool {
	switch here {
	case "x86_64":
		return name == "i386" || name == "x32"
	case "aarch64":
		return name == "arm"
	}
	return name == "arm" && strings.HasPrefix(here, "arm")
}

// notProgram says what a file is that the kernel has no use for.
func notProgram(head []byte) string {
	text := string(head)
	switch {
	case len(head) == 0:
		return "is empty"
	case strings.HasPrefix(text, "\ufeff#!"):
		return "has a byte order mark before its #! line"
	case strings.HasPrefix(text, "MZ"):
		return "is a program for Windows"
	case strings.HasPrefix(text, "\xcf\xfa\xed\xfe"), strings.HasPrefix(text, "\xca\xfe\xba\xbe"):
		return "is a program for macOS"
	case !strings.ContainsRune(text, 0) && utf8.ValidString(strings.TrimRightFunc(text, func(r rune) bool { return r == utf8.RuneError })):
		return "is a script without a #! line that names its interpreter"
	}
	return "is neither an ELF program nor a script with a #! line"
}
