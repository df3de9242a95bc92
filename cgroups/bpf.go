// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// instruction is a struct bpf_insn: opcode, registers (destination in the low
// four bits), jump offset, constant.
type instruction struct {
	op   uint8
	regs uint8
	off  int16
	imm  int32
}

// The opcodes used. Those that end in a 4 are of 32 bits and clear the upper
// half of their register; those that end in a 7 are of 64.
const (
	ldxw  = unix.BPF_LDX | unix.BPF_W | unix.BPF_MEM
	mov   = 0xb0 | 0x04
	movx  = 0xb0 | unix.BPF_X | 0x04
	xor   = 0xa0 | 0x04
	and   = 0x50 | 0x04
	lsh   = 0x60 | 0x04
	rsh   = 0x70 | 0x04
	orx   = 0x40 | unix.BPF_X | 0x04
	movx7 = 0xb0 | unix.BPF_X | 0x07
	xorx7 = 0xa0 | unix.BPF_X | 0x07
	orx7  = 0x40 | unix.BPF_X | 0x07
	lsh7  = 0x60 | 0x07
	rsh7  = 0x70 | 0x07
	sub7  = 0x10 | 0x07
	exit  = 0x90 | unix.BPF_JMP
)

// Registers.
const (
	found   = iota // the answer: 1 if an exception was
	context        // struct bpf_cgroup_dev_ctx and, once that is read, scratch
	asked          // access << 16 | type
	device         // major << 20 | minor, a dev_t
	base           // device, and above it in what asked differs from what rules look at
	differs        // 0 if the exception at hand is the one
	scratch = context
)

const (
	minorBits = 20
	maxMajor  = 1<<12 - 1
	maxMinor  = 1<<minorBits - 1
)

// program is d as a BPF_PROG_TYPE_CGROUP_DEVICE program. It has no branches:
// the verifier follows every path there is, and took three times as long over
// the same list with jumps.
func (d *Devices) program() []instruction {
	p := make([]instruction, 0, 8+12*len(d.Rules))
	p = append(p,
		instruction{ldxw, asked | context<<4, 0, 0},
		instruction{ldxw, device | context<<4, 4, 0},
		instruction{ldxw, scratch | context<<4, 8, 0},
		instruction{lsh, device, 0, minorBits},
		instruction{orx, device | scratch<<4, 0, 0},
		instruction{mov, found, 0, 0})
	last := DeviceRule{}
	for _, r := range d.Rules {
		if r.Major > maxMajor || r.Minor > maxMinor {
			continue // no dev_t has such numbers
		}
		if r.Type != last.Type || r.Access != last.Access {
			p = d.looksAt(p, r)
		}
		p = append(match(p, r), instruction{sub7, differs, 0, 1}, instruction{rsh7, differs, 0, 63},
			instruction{orx7, found | differs<<4, 0, 0}) // 1 for 0, which alone has its highest bit set by - 1
		last = r
	}
	if d.Allow {
		p = append(p, instruction{xor, found, 0, 1})
	}
	// The verifier of 6.1 knows nothing of a register after an OR with another,
	// and takes no answer that may be other than 0 or 1.
	return append(p, instruction{and, found, 0, 1}, instruction{op: exit})
}

// looksAt computes base for rules of one type and access.
func (d *Devices) looksAt(p []instruction, r DeviceRule) []instruction {
	kind, look := int32(unix.BPF_DEVCG_DEV_CHAR), int32(0xffff)
	if r.Type == 'b' {
		kind = unix.BPF_DEVCG_DEV_BLOCK
	}
	if !d.Allow {
		look |= int32(^r.Access&(read|write|mknod)) << 16 // what is not granted may not be asked
	}
	p = append(p, instruction{movx, base | asked<<4, 0, 0}, instruction{xor, base, 0, kind}, instruction{and, base, 0, look})
	if d.Allow && r.Access != read|write|mknod { // something of what is refused must be asked
		p = append(p, instruction{movx, scratch | asked<<4, 0, 0}, instruction{rsh, scratch, 0, 16}, instruction{and, scratch, 0, int32(r.Access)},
			instruction{sub7, scratch, 0, 1}, instruction{rsh7, scratch, 0, 63}, instruction{orx, base | scratch<<4, 0, 0})
	}
	return append(p, instruction{lsh7, base, 0, 32}, instruction{orx7, base | device<<4, 0, 0})
}

// match computes differs from base and the rule's numbers.
func match(p []instruction, r DeviceRule) []instruction {
	p = append(p, instruction{movx7, differs | base<<4, 0, 0})
	switch {
	case r.Major == every && r.Minor == every:
		return append(p, instruction{rsh7, differs, 0, 32})
	case r.Major == every:
		return append(p, instruction{rsh7, differs, 0, 32}, instruction{movx, scratch | device<<4, 0, 0}, instruction{xor, scratch, 0, int32(r.Minor)},
			instruction{and, scratch, 0, maxMinor}, instruction{orx7, differs | scratch<<4, 0, 0})
	case r.Minor == every:
		return append(p, instruction{rsh7, differs, 0, minorBits}, instruction{mov, scratch, 0, int32(r.Major)}, instruction{xorx7, differs | scratch<<4, 0, 0})
	}
	return append(p, instruction{mov, scratch, 0, int32(uint32(r.Major<<minorBits | r.Minor))}, instruction{xorx7, differs | scratch<<4, 0, 0})
}

// attribute is a whole union bpf_attr, zeroed, with room to grow: kernels 6.17
// to 7.1 write past the end of a shorter one (P13).
type attribute [256]byte

func (a *attribute) u32(at int, v uint32) { binary.NativeEndian.PutUint32(a[at:], v) }
func (a *attribute) u64(at int, v uint64) { binary.NativeEndian.PutUint64(a[at:], v) }

// call is bpf(2). What the attribute points to is pinned by the caller.
func (a *attribute) call(command int) (int, error) {
	for tries := 0; ; tries++ {
		n, _, errno := unix.Syscall(unix.SYS_BPF, uintptr(command), uintptr(unsafe.Pointer(a)), unsafe.Sizeof(*a))
		switch {
		case errno == 0:
			return int(n), nil
		case (errno == unix.EAGAIN || errno == unix.EINTR) && tries < 30: // the verifier was interrupted by a signal
			continue
		}
		return -1, errno
	}
}

// load gives the program to the kernel and returns its descriptor.
func (d *Devices) load() (int, error) {
	insns := d.program()
	fd, err := loadProgram(insns, nil)
	if err == unix.EPERM {
		// Before 5.11 programs count against RLIMIT_MEMLOCK.
		fd, err = unlimited(func() (int, error) { return loadProgram(insns, nil) })
	}
	if err == nil || err == unix.EPERM || err == unix.ENOMEM {
		return fd, err
	}
	log := make([]byte, 64<<10)
	if fd, again := loadProgram(insns, log); again == nil {
		return fd, nil
	}
	if text, _, _ := bytes.Cut(log, []byte{0}); len(text) > 0 {
		return -1, explain(err, "verifier: "+strings.Join(strings.Fields(string(text[max(0, len(text)-240):])), " "))
	}
	return -1, err
}

func loadProgram(insns []instruction, log []byte) (int, error) {
	var pin runtime.Pinner // of what the attribute points to
	defer pin.Unpin()
	pin.Pin(&insns[0])
	a, license := new(attribute), &[...]byte{'A', 'p', 'a', 'c', 'h', 'e', '-', '2', '.', '0', 0}
	pin.Pin(license)
	a.u32(0, unix.BPF_PROG_TYPE_CGROUP_DEVICE)
	a.u32(4, uint32(len(insns)))
	a.u64(8, uint64(uintptr(unsafe.Pointer(&insns[0]))))
	a.u64(16, uint64(uintptr(unsafe.Pointer(license))))
	if len(log) > 0 {
		pin.Pin(&log[0])
		a.u32(24, 1)
		a.u32(28, uint32(len(log)))
		a.u64(32, uint64(uintptr(unsafe.Pointer(&log[0]))))
	}
	copy(a[48:64], "corten_devices")
	a.u32(68, unix.BPF_CGROUP_DEVICE)
	return a.call(unix.BPF_PROG_LOAD)
}

// unlimited runs f without a limit on locked memory, which is put back: the
// payload inherits it.
func unlimited(f func() (int, error)) (int, error) {
	old, all := unix.Rlimit{}, unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &all, &old); err != nil {
		return -1, unix.EPERM
	}
	defer unix.Prlimit(0, unix.RLIMIT_MEMLOCK, &old, nil)
	return f()
}

// attach makes the program one of those that must all agree to an access below
// the cgroup.
func attach(cgroup, program int) error {
	a := new(attribute)
	a.u32(0, uint32(cgroup))
	a.u32(4, uint32(program))
	a.u32(8, unix.BPF_CGROUP_DEVICE)
	a.u32(12, unix.BPF_F_ALLOW_MULTI)
	_, err := a.call(unix.BPF_PROG_ATTACH)
	return err
}

// attached are the ids of the cgroup's own device programs.
func attached(cgroup int) ([]uint32, error) {
	a, ids := new(attribute), make([]uint32, 64) // 64 is the kernel's limit
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&ids[0])
	a.u32(0, uint32(cgroup))
	a.u32(4, unix.BPF_CGROUP_DEVICE)
	a.u64(16, uint64(uintptr(unsafe.Pointer(&ids[0]))))
	a.u32(24, uint32(len(ids)))
	if _, err := a.call(unix.BPF_PROG_QUERY); err != nil {
		return nil, err
	}
	return ids[:min(64, binary.NativeEndian.Uint32(a[24:]))], nil
}

// detach takes a program off the cgroup.
func detach(cgroup int, id uint32) error {
	a := new(attribute)
	a.u32(0, id)
	program, err := a.call(unix.BPF_PROG_GET_FD_BY_ID)
	if err == unix.ENOENT {
		return nil
	} else if err != nil {
		return err
	}
	defer unix.Close(program)
	a = new(attribute)
	a.u32(0, uint32(cgroup))
	a.u32(4, uint32(program))
	a.u32(8, unix.BPF_CGROUP_DEVICE)
	_, err = a.call(unix.BPF_PROG_DETACH)
	return err
}
