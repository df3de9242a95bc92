// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"reflect"
	"strings"
	"testing"
)

func randomString(r *rand.Rand) string {
	b := make([]byte, r.IntN(12))
	for i := range b {
		b[i] = byte(1 + r.IntN(255))
	}
	return string(b)
}

func randomArg(r *rand.Rand, letter byte) any {
	switch letter {
	case 's':
		return randomString(r)
	case 'v':
		v := make([]string, r.IntN(4))
		for i := range v {
			v[i] = randomString(r)
		}
		return v
	case 'b':
		return []byte(randomString(r) + "\x00")[r.IntN(2):]
	case 'u':
		return r.Uint64() >> r.IntN(64)
	case 'f':
		if r.IntN(5) == 0 {
			return Cwd
		}
	}
	return Slot(r.IntN(maxSlots))
}

func randomPlan(r *rand.Rand) *Plan {
	p := &Plan{}
	for range r.IntN(3) {
		p.Inputs = append(p.Inputs, Input{Kind: KindTree, At: At("/mounts/0"), Path: randomString(r)})
	}
	for range r.IntN(20) {
		s := Step{At: At("").Field(randomString(r)).Index(r.IntN(9)), Op: Op(r.IntN(int(nOps))), Else: r.IntN(4) == 0, When: None}
		if r.IntN(3) == 0 {
			s.When, s.Unless = Slot(r.IntN(maxSlots)), r.IntN(2) == 0
		}
		for _, e := range tolerable {
			if r.IntN(8) == 0 {
				s.Tolerate = append(s.Tolerate, e)
			}
		}
		for _, letter := range []byte(ops[s.Op].signature) {
			s.Args = append(s.Args, randomArg(r, letter))
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

// mutate damages the header, a step or data, but not what bounds the section
// of pointers: only Go reads that.
func mutate(r *rand.Rand, b []byte) {
	pointers := int(le.Uint32(b[24:]))
	for range 1 + r.IntN(2) {
		at := r.IntN(pointers)
		if n := le.Uint32(b[16:]); n > 0 && r.IntN(4) > 0 {
			at = headerSize + r.IntN(int(n))*stepSize + r.IntN(stepSize)
		}
		if at >= 4 && at < 8 || at >= 16 && at < 28 {
			continue
		}
		switch r.IntN(5) {
		case 0:
			b[at] = 0
		case 1:
			b[at] = byte(r.Uint32())
		case 2:
			b[at]++
		case 3:
			b[at]--
		case 4:
			b[at] += 8
		}
	}
}

// dump is p in the form of executor/test/dump.c.
func dump(p *Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "plan %d\n", len(p.Inputs))
	for _, s := range p.Steps {
		flags := 0
		if s.Else {
			flags |= flagElse
		}
		if s.Unless {
			flags |= flagUnless
		}
		fmt.Fprintf(&b, "%s %d %d %d", s.Op, flags, s.When, tolerateMask(s.Tolerate))
		for i, arg := range s.Args {
			fmt.Fprintf(&b, " %c", ops[s.Op].signature[i])
			switch arg := arg.(type) {
			case string:
				fmt.Fprintf(&b, "%x", arg)
			case []string:
				for _, s := range arg {
					fmt.Fprintf(&b, ",%x", s)
				}
			case []byte:
				fmt.Fprintf(&b, "%x", arg)
			case Slot:
				fmt.Fprintf(&b, "%d", uint16(arg))
			default:
				fmt.Fprint(&b, arg)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Go and C accept the same plans and read the same in them, plans that Encode
// wrote and damaged ones.
func TestGoAndCReadTheSame(t *testing.T) {
	program := buildC(t, "dump")
	r := rand.New(rand.NewPCG(1, 2))
	var input bytes.Buffer
	var want strings.Builder
	accepted := 0
	for i := range 5000 {
		p := randomPlan(r)
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if i%10 > 0 {
			mutate(r, b)
		}
		input.Write(le.AppendUint32(nil, uint32(len(b))))
		input.Write(b)
		got, err := Decode(b)
		switch {
		case err != nil && i%10 == 0:
			t.Fatalf("plan %d: %v", i, err)
		case err != nil:
			want.WriteString("malformed\n")
		default:
			accepted++
			want.WriteString(dump(got))
		}
	}
	cmd := exec.Command(program)
	cmd.Stdin = &input
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	compare(t, strings.Split(string(out), "\n"), strings.Split(want.String(), "\n"))
	if accepted < 1000 || accepted > 4500 {
		t.Errorf("%d of 5000 plans accepted: the damage is not of both kinds", accepted)
	}
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("line %d: C %q, Go %q", i+1, got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("C %d lines, Go %d", len(got), len(want))
	}
}

func TestDecodeWhatEncodeWrote(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		b, err := randomPlan(r).Encode()
		if err != nil {
			t.Fatal(err)
		}
		p, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		again, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again, b) {
			t.Fatal("decoded and encoded again, the plan is another")
		}
	}
}
