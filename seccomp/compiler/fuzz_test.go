// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"
)

// FuzzProfile: the profile that a seed stands for is refused, or its program
// gives the oracle's verdicts; a profile of any bytes is refused, or has a program.
func FuzzProfile(f *testing.F) {
	f.Add(uint64(1), []byte(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`))
	f.Add(uint64(1000), []byte(`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"syscalls":[{"names":["ptrace"],"action":"SCMP_ACT_KILL","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}`))
	names := allNames()
	f.Fuzz(func(t *testing.T, seed uint64, raw []byte) {
		if program, _, err := compile(raw); err == nil && (len(program) == 0 || len(program)%8 != 0) {
			t.Fatalf("%d bytes of program for %s", len(program), raw)
		}
		g := &generator{rand.New(rand.NewPCG(seed, 3)), names}
		p := g.profile()
		document, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		program, _, err := compile(document)
		if errors.Is(err, errWrong) {
			return
		}
		if err != nil {
			t.Fatalf("%v\n%.4000s", err, document)
		}
		o, seen := newOracle(p), make([]bool, len(program)/8)
		for range 500 {
			c := call{nr: g.Uint32N(1200) | pick[uint32](g, 0, 0, 0, x32Bit), arch: pick(g, audits[:]...)}
			for i := range c.args {
				c.args[i] = pick(g, 0, 1, 7, 8, 1<<32, ^uint64(0), g.Uint64(), g.Uint64N(1<<32))
			}
			got, fault := interpret(program, &c, seen)
			if c.arch == 0x40000003 && multiplexed(c.nr) {
				continue // socketcall, ipc: rules that libseccomp makes up
			}
			if want := o.verdict(&c); fault != nil || got != want {
				t.Fatalf("%#x, number %#x, arguments %#x: %#x, want %#x, %v\n%.4000s", c.arch, c.nr, c.args, got, want, fault, document)
			}
		}
	})
}
