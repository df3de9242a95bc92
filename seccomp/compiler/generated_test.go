// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	libseccomp "github.com/seccomp/libseccomp-golang"
)

// generator makes profiles. All that is random comes from its seed.
type generator struct {
	*rand.Rand
	names []string // of system calls
}

// allNames is every system call of the architectures a filter can have here.
func allNames() (names []string) {
	for _, arch := range []libseccomp.ScmpArch{libseccomp.ArchAMD64, libseccomp.ArchX86, libseccomp.ArchX32, libseccomp.ArchARM64, libseccomp.ArchARM} {
		for nr := range libseccomp.ScmpSyscall(1000) {
			if name, err := nr.GetNameByArch(arch); err == nil {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func pick[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }

// action is one, with the number that goes with it or without.
func (g *generator) action() (string, *uint) {
	name := pick(g, "SCMP_ACT_ERRNO", "SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_ALLOW", "SCMP_ACT_KILL", "SCMP_ACT_KILL_THREAD",
		"SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP", "SCMP_ACT_TRACE", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY")
	n := g.UintN(4095)
	if (name == "SCMP_ACT_ERRNO" || name == "SCMP_ACT_TRACE") && g.IntN(3) > 0 {
		return name, &n
	}
	return name, nil
}

// condition is one that some values meet, and some do not.
func (g *generator) condition(index uint) arg {
	value := func() uint64 {
		return pick(g, 1, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0x100000001, 0x1fffffffe, 1<<63|1, g.Uint64()|1, g.Uint64N(1<<32-2)+1)
	}
	a := arg{Index: index, Op: pick(g, operators...), Value: value()}
	if a.Op == "SCMP_CMP_MASKED_EQ" {
		a.ValueTwo = value() & a.Value
	}
	return a
}

// equal is values of one argument, each in 64 and in 32 bits another.
func (g *generator) equal(count int) (args []arg) {
	index := g.UintN(6)
	for value := range uint64(count) {
		args = append(args, arg{index, pick(g, value<<33|value, value+7), 0, "SCMP_CMP_EQ"})
	}
	return args
}

// rules is those for one system call. No condition follows from the others, or
// libseccomp would make code for what cannot be.
func (g *generator) rules(name string) (list []rule) {
	action, errno := g.action()
	r := rule{Names: []string{name}, Action: action, ErrnoRet: errno}
	// For those of socketcall and ipc, x86's filter has its own conditions.
	if nr, err := libseccomp.GetSyscallFromNameByArch(name, libseccomp.ArchX86); err == nil && (nr < 0 || multiplexed(uint32(nr))) {
		return []rule{r}
	}
	switch g.IntN(6) {
	case 0: // one action, each rule with conditions on arguments of its own
		indexes := g.Perm(6)
		for range 1 + g.IntN(3) {
			r.Args = nil
			for range 1 + g.IntN(2) {
				r.Args = append(r.Args, g.condition(uint(indexes[0])))
				indexes = indexes[1:]
			}
			list = append(list, r)
		}
		return list
	case 1: // several actions, for values of one argument
		for _, a := range g.equal(1 + g.IntN(4)) {
			action, errno := g.action()
			list = append(list, rule{r.Names, action, errno, []arg{a}})
		}
		return list
	case 2: // one rule, any of several values of one argument
		r.Args = g.equal(2 + g.IntN(3))
	}
	return []rule{r}
}

func (g *generator) profile() *profile {
	p := &profile{Architectures: pick(g, nil, nil, []string{"SCMP_ARCH_X86_64"}, []string{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}, []string{"SCMP_ARCH_X32"},
		[]string{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}, []string{"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"})}
	p.DefaultAction, p.DefaultErrnoRet = g.action()
	count := 1 + g.IntN(8)
	switch g.IntN(10) {
	case 0:
		count = 100 + g.IntN(len(g.names)-100)
	case 1, 2, 3:
		count = 10 + g.IntN(60)
	}
	for i, n := range g.Perm(len(g.names))[:count] {
		if count > 100 && i > 40 { // conditions for all would not fit into a program
			p.Syscalls[0].Names = append(p.Syscalls[0].Names, g.names[n])
			continue
		}
		if i == 0 && count > 100 {
			action, errno := g.action()
			p.Syscalls = append(p.Syscalls, rule{Names: []string{g.names[n]}, Action: action, ErrnoRet: errno})
			continue
		}
		p.Syscalls = append(p.Syscalls, g.rules(g.names[n])...)
	}
	return p
}

// TestGeneratedProfiles compares the programs of 300 profiles with the oracle:
// on every number of every architecture with random arguments, and on calls
// for every path of the program, so that each instruction is executed.
func TestGeneratedProfiles(t *testing.T) {
	const wanted = 300
	names := allNames()
	done, refused, calls, instructions, dead := 0, 0, 0, 0, 0
	for seed := uint64(0); done < wanted; seed++ {
		g := &generator{rand.New(rand.NewPCG(seed, 1)), names}
		p := g.profile()
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		program, _, err := compile(raw)
		if err != nil {
			if !errors.Is(err, errWrong) {
				t.Fatalf("seed %d: %v\n%s", seed, err, raw)
			}
			refused++
			continue
		}
		done++
		instructions += len(program) / 8
		tried, never, err := g.compare(p, program)
		calls, dead = calls+tried, dead+never
		if err != nil {
			t.Fatalf("seed %d: %v\n%.4000s", seed, err, raw)
		}
	}
	// Those that no path comes by: libseccomp asks whether what is not above 0 is 0.
	if dead*10000 > instructions || refused*20 > wanted {
		t.Errorf("%d instructions never run, %d profiles have no program", dead, refused)
	}
	t.Logf("%d profiles, %d instructions, %d of them dead, %d calls; %d profiles refused", done, instructions, dead, calls, refused)
}

// compare is the number of calls tried, of instructions that none of them came
// by, and the first call that has another verdict than the oracle's.
func (g *generator) compare(p *profile, program []byte) (calls, never int, err error) {
	o, seen := newOracle(p), make([]bool, len(program)/8)
	try := func(c *call) {
		if calls++; err != nil {
			return
		}
		got, fault := interpret(program, c, seen)
		if c.arch == 0x40000003 && multiplexed(c.nr) {
			return // socketcall, ipc: rules that libseccomp makes up
		}
		if want := o.verdict(c); fault != nil || got != want {
			err = fmt.Errorf("%#x, number %#x, arguments %#x: %#x, want %#x, %v", c.arch, c.nr, c.args, got, want, fault)
		}
	}
	for _, audit := range audits {
		for nr := range uint32(1200) {
			c := call{nr: nr, arch: audit}
			for i := range c.args {
				c.args[i] = pick(g, 0, 1, 7, 8, 1<<32, ^uint64(0), g.Uint64(), g.Uint64N(1<<32))
			}
			try(&c)
			c.nr |= x32Bit
			try(&c)
		}
	}
	paths(program, try)
	for _, ran := range seen {
		if !ran {
			never++
		}
	}
	return calls, never, err
}
