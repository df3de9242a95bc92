// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	libseccomp "github.com/seccomp/libseccomp-golang"
)

var (
	operators = []string{"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"}
	values    = []uint64{0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x100000001, 0x1ffffffff, 1 << 63, ^uint64(0) - 1, ^uint64(0)}
	audits    = []uint32{0xc000003e, 0x40000003, 0xc00000b7, 0x40000028, 0x16}
)

// differ compiles the profile and compares the program with the oracle: every
// number of every architecture with each of the argument lists. It returns
// the part of the program's instructions that ran.
func differ(t *testing.T, p *profile, lists [][6]uint64) float64 {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	program, _, err := compile(raw)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	o := newOracle(p)
	seen := make([]bool, len(program)/8)
	for _, audit := range audits {
		for nr := range uint32(1200) {
			if audit == 0x40000003 && multiplexed(nr) {
				continue
			}
			for _, bits := range []uint32{0, 1 << 30} {
				c := call{nr: nr | bits, arch: audit}
				for _, c.args = range lists {
					got, err := interpret(program, &c, seen)
					if want := o.verdict(&c); err != nil || got != want {
						t.Fatalf("%#x, number %#x, arguments %#x: %#x, want %#x, %v\n%s", c.arch, c.nr, c.args, got, want, err, raw)
					}
				}
			}
		}
	}
	ran := 0
	for _, s := range seen {
		if s {
			ran++
		}
	}
	return float64(ran) / float64(len(seen))
}

// multiplexed: socketcall and ipc of x86, and what they multiplex, for which
// libseccomp makes rules of its own.
func multiplexed(nr uint32) bool {
	return nr == 102 || nr == 117 || nr == 337 || nr == 345 || nr >= 359 && nr <= 373 || nr >= 393 && nr <= 402
}

func TestOperators(t *testing.T) {
	var lists [][6]uint64
	for _, v := range values {
		lists = append(lists, [6]uint64{0, v, 0, 0, 0, 0})
	}
	for _, op := range operators {
		for _, value := range values {
			for _, two := range values {
				p := &profile{DefaultAction: "SCMP_ACT_ERRNO", Syscalls: []rule{
					{Names: []string{"ioctl"}, Action: "SCMP_ACT_ALLOW", Args: []arg{{1, value, two, op}}},
				}}
				differOn(t, p, "ioctl", lists)
				if op != "SCMP_CMP_MASKED_EQ" {
					break
				}
			}
		}
	}
}

// differOn is differ for one system call of the native architecture.
func differOn(t *testing.T, p *profile, name string, lists [][6]uint64) {
	t.Helper()
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	program, _, err := compile(raw)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	nr, err := libseccomp.GetSyscallFromName(name)
	if err != nil {
		t.Fatal(err)
	}
	o, seen := newOracle(p), make([]bool, len(program)/8)
	for _, list := range lists {
		c := call{uint32(nr), p.nativeAudit(), list}
		got, err := interpret(program, &c, seen)
		if want := o.verdict(&c); err != nil || got != want {
			t.Fatalf("%s%#x: %#x, want %#x, %v\n%s", name, list, got, want, err, raw)
		}
	}
}

func (p *profile) nativeAudit() uint32 {
	native, err := libseccomp.GetNativeArch()
	if err != nil {
		panic(err)
	}
	return p.scope(native)[0].audit
}

// TestJoinedConditions: conditions on different arguments are joined by AND,
// several on one argument by OR (CVE-2017-18367).
func TestJoinedConditions(t *testing.T) {
	var lists [][6]uint64
	for _, a := range []uint64{0, 1, 2, 3, 1 << 32, 1<<32 | 1} {
		for _, b := range []uint64{0, 1, 2, 3, 1 << 32, 1<<32 | 1} {
			for _, c := range []uint64{0, 7} {
				lists = append(lists, [6]uint64{a, b, c, 0, 0, b})
			}
		}
	}
	eq, ne, gt := "SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_GT"
	for i, args := range [][]arg{
		{{0, 1, 0, eq}, {1, 2, 0, eq}},
		{{0, 1, 0, eq}, {1, 2, 0, ne}, {2, 7, 0, eq}},
		{{0, 1, 0, eq}, {0, 2, 0, eq}},
		{{0, 0, 0, eq}, {0, 1 << 32, 0, eq}, {1, 3, 0, eq}},
		{{0, 1, 0, gt}, {5, 1, 0, gt}},
		{{0, 1, 0, ne}, {5, 1, 0, ne}},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			for _, action := range [][2]string{{"SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"}, {"SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"}} {
				differOn(t, &profile{DefaultAction: action[0],
					Syscalls: []rule{{Names: []string{"socket"}, Action: action[1], Args: args}}}, "socket", lists)
			}
		})
	}
}

// TestWrongFilterIsRefused (GHSA-4q85-33p6-j5g6): libseccomp 2.5.4 compares
// argument 3 with argument 0's value for this profile on x86. It is refused,
// or, with a libseccomp that can, compiled right.
func TestWrongFilterIsRefused(t *testing.T) {
	p := &profile{DefaultAction: "SCMP_ACT_KILL_PROCESS", Architectures: []string{"SCMP_ARCH_X86"}, Syscalls: []rule{
		{Names: []string{"keyctl"}, Action: "SCMP_ACT_TRAP", Args: []arg{{0, 0x7fffffff, 0, "SCMP_CMP_GT"}}},
		{Names: []string{"keyctl"}, Action: "SCMP_ACT_TRAP", Args: []arg{{3, 2, 0, "SCMP_CMP_NE"}, {0, 0xffffffff, 0, "SCMP_CMP_NE"}}},
	}}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := compile(raw); err != nil {
		if !strings.HasPrefix(err.Error(), "/syscalls/0/names/0 libseccomp makes a wrong filter of the conditions for \"keyctl\" on SCMP_ARCH_X86:") {
			t.Fatal(err)
		}
		return
	}
	differ(t, p, [][6]uint64{{0: 0x80000000, 3: 2}, {3: 2}, {3: 3}, {0: 0xffffffff, 3: 3}})
}

// TestEngineProfile: every number, and every instruction of the program runs.
func TestEngineProfile(t *testing.T) {
	raw, err := os.ReadFile("../testdata/engine.json")
	if err != nil {
		t.Fatal(err)
	}
	var p profile
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	var lists [][6]uint64
	for _, v := range []uint64{0, 8, 40, 0xffffffff, 0x7e020000, 0x10000000, 1 << 32, 40 | 1<<32, 0xffffffff | 1<<40} {
		lists = append(lists, [6]uint64{v}, [6]uint64{v, v, v, v, v, v})
	}
	if part := differ(t, &p, lists); part < 0.9 {
		t.Errorf("only %.0f%% of the instructions ran", 100*part)
	} else {
		t.Logf("%.1f%% of the instructions ran", 100*part)
	}
}
