// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

var errWrong = errors.New("libseccomp makes a wrong filter")

// maxSamples is the number of argument lists tried for one system call of one
// architecture.
const maxSamples = 4096

// check runs the program on the system calls whose arguments the profile
// looks at, with the values around those in its conditions.
//
// DEFENCE (GHSA-4q85-33p6-j5g6): libseccomp before 2.6.1 joins some
// conditions wrongly, and the filter then lets through what the profile
// denies, or the other way round. Such a filter is an error here. What
// rules of different actions both hold for is not checked: nothing says which
// one should win.
func (p *profile) check(program []byte, def libseccomp.ScmpAction) error {
	native, err := libseccomp.GetNativeArch()
	if err != nil {
		return faultf("", "seccomp_arch_native: %w", err)
	}
	scope := p.scope(native)
	conditional := p.conditional(def)
	for _, name := range slices.Sorted(maps.Keys(conditional)) {
		rules := conditional[name]
		for _, a := range scope {
			nr, err := libseccomp.GetSyscallFromNameByArch(name, a.scmp)
			if err != nil || nr < 0 {
				continue
			}
			c := call{nr: uint32(nr), arch: a.audit}
			if a.scmp == libseccomp.ArchX32 {
				c.nr |= x32Bit
			}
			if err := check(program, c, rules, def, a.width()); err != nil {
				return faultf(rules[0].at, "%w of the conditions for %q on %s: %w", errWrong, name, a.name, err)
			}
		}
	}
	return nil
}

// conditional is the rules of each system call for which some rule has
// arguments and an action that is not the default.
func (p *profile) conditional(def libseccomp.ScmpAction) map[string][]located {
	byName := map[string][]located{}
	wanted := map[string]bool{}
	for i := range p.Syscalls {
		r := &p.Syscalls[i]
		act, err := action("", r.Action, "", r.ErrnoRet)
		if err != nil || act == def {
			continue
		}
		for j, name := range r.Names {
			l := located{r, act, fmt.Sprintf("/syscalls/%d/names/%d", i, j)}
			wanted[name] = wanted[name] || len(r.Args) > 0
			byName[name] = append(byName[name], l)
		}
	}
	for name := range byName {
		if !wanted[name] {
			delete(byName, name)
		}
	}
	return byName
}

type located struct {
	*rule
	action libseccomp.ScmpAction
	at     string
}

// check compares the program with the rules for one system call.
func check(program []byte, c call, rules []located, def libseccomp.ScmpAction, width uint64) error {
	values := samples(rules, width)
	total := 1
	for _, v := range values {
		total = min(total*len(v), maxSamples+1)
	}
	r := rand.New(rand.NewPCG(0, 0)) // the same sample each time
	// What an action returns is told by its first call: all that matters is that
	// the actions are kept apart.
	returns := map[libseccomp.ScmpAction]uint32{}
	for n := range min(total, maxSamples) {
		rest := n
		for i, v := range values {
			if total > maxSamples {
				rest = r.IntN(len(v))
			}
			c.args[i] = v[rest%len(v)]
			rest /= len(v)
		}
		act, clear := wanted(rules, def, &c.args, width)
		if !clear {
			continue
		}
		got, err := interpret(program, &c, nil)
		if err != nil {
			return err
		}
		if _, known := returns[act]; !known {
			for _, other := range returns {
				if other == got {
					return fmt.Errorf("arguments %#x get %#x", c.args, got)
				}
			}
			returns[act] = got
		}
		if returns[act] != got {
			return fmt.Errorf("arguments %#x get %#x", c.args, got)
		}
	}
	return nil
}

// wanted is the action of the rules that hold, the default if none does; not
// clear if those have several.
func wanted(rules []located, def libseccomp.ScmpAction, args *[6]uint64, width uint64) (act libseccomp.ScmpAction, clear bool) {
	act = def
	for _, l := range rules {
		if l.matches(args, width) {
			if act != def && act != l.action {
				return act, false
			}
			act = l.action
		}
	}
	return act, true
}

// samples is, for each argument, values on both sides of every condition.
func samples(rules []located, width uint64) (values [6][]uint64) {
	for i := range values {
		values[i] = []uint64{0}
	}
	for _, l := range rules {
		for _, a := range l.Args {
			v := &values[a.Index]
			for _, x := range []uint64{a.Value, a.ValueTwo & a.Value, a.ValueTwo&a.Value | ^a.Value} {
				*v = append(*v, x&width, (x-1)&width, (x+1)&width, (x^1<<32)&width, (x^1<<63)&width, x&0xffffffff, width)
				if a.Op != "SCMP_CMP_MASKED_EQ" {
					break
				}
			}
			if a.Op == "SCMP_CMP_MASKED_EQ" {
				for bit := a.Value; bit != 0; bit &= bit - 1 {
					*v = append(*v, (a.ValueTwo&a.Value^bit&-bit)&width)
				}
			}
		}
	}
	return values
}

// matches reports whether all conditions hold, or, if several are on one
// argument, whether any does.
func (r *rule) matches(args *[6]uint64, width uint64) bool {
	all, one, repeated := true, false, false
	var used [6]bool
	for _, a := range r.Args {
		repeated = repeated || used[a.Index]
		used[a.Index] = true
		holds := a.holds(args[a.Index]&width, width)
		all, one = all && holds, one || holds
	}
	if repeated {
		return one
	}
	return all
}

func (a *arg) holds(v, width uint64) bool {
	value, two := a.Value&width, a.ValueTwo&width
	switch a.Op {
	case "SCMP_CMP_NE":
		return v != value
	case "SCMP_CMP_LT":
		return v < value
	case "SCMP_CMP_LE":
		return v <= value
	case "SCMP_CMP_EQ":
		return v == value
	case "SCMP_CMP_GE":
		return v >= value
	case "SCMP_CMP_GT":
		return v > value
	}
	return v&value == two&value // SCMP_CMP_MASKED_EQ
}

// call is struct seccomp_data without the instruction pointer.
type call struct {
	nr, arch uint32
	args     [6]uint64
}

func (c *call) word(off uint32) (uint32, error) {
	switch {
	case off == offsetNr:
		return c.nr, nil
	case off == offsetArch:
		return c.arch, nil
	case off >= 16 && off < 64 && off%4 == 0:
		return uint32(c.args[(off-16)/8] >> (8 * (off % 8))), nil
	}
	return 0, errors.New("load outside struct seccomp_data")
}

// interpret is what the kernel gets from the program for the call. Each
// instruction it comes by is marked in seen, if that is not nil.
func interpret(program []byte, c *call, seen []bool) (verdict uint32, err error) {
	var a uint32
	for pc := 0; pc < len(program)/8; pc++ {
		if seen != nil {
			seen[pc] = true
		}
		in := program[8*pc:]
		code, k := binary.NativeEndian.Uint16(in), binary.NativeEndian.Uint32(in[4:])
		taken := false
		switch code {
		case loadWord:
			if a, err = c.word(k); err != nil {
				return 0, err
			}
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			a &= k
			continue
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(k)
			continue
		case ret:
			return k, nil
		case jumpEqual:
			taken = a == k
		case jumpGreater:
			taken = a > k
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			taken = a >= k
		case jumpSet:
			taken = a&k != 0
		default:
			return 0, fmt.Errorf("instruction %d has code %#x", pc, code)
		}
		if taken {
			pc += int(in[2])
		} else {
			pc += int(in[3])
		}
	}
	return 0, errors.New("no return at the end of the program")
}
