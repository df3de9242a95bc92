// SPDX-License-Identifier: Apache-2.0

//go:build cgo

package main

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// search walks every path of a program that some system call can take. It
// keeps, for each word of struct seccomp_data, the values that lead here, out
// of candidates on both sides of every comparison that the program makes of
// that word.
type search struct {
	program []byte
	visit   func(c *call)
	words   [16][]uint32 // by offset / 4
}

// predicate is a comparison of a word.
type predicate struct{ k, mask uint32 }

// paths calls visit with two calls for each path. If no more than one
// condition with a mask is on an argument of a system call, an instruction that
// no call comes by is one that none can come by.
func paths(program []byte, visit func(c *call)) {
	s := &search{program: program, visit: visit}
	predicates := [16]map[predicate]bool{}
	for i := range predicates {
		predicates[i] = map[predicate]bool{}
	}
	s.collect(predicates[:])
	for i, set := range predicates {
		s.words[i] = candidates(set)
	}
	s.walk(0, 0, ^uint32(0), s.words)
}

// at is the instruction at pc.
func (s *search) at(pc int) (code uint16, jt, jf int, k uint32) {
	in := s.program[8*pc:]
	return binary.NativeEndian.Uint16(in), int(in[2]), int(in[3]), binary.NativeEndian.Uint32(in[4:])
}

// collect finds the comparisons. What the accumulator holds at an instruction
// can differ by the way there: both are followed.
func (s *search) collect(predicates []map[predicate]bool) {
	type state struct {
		pc, word int
		mask     uint32
	}
	seen := map[state]bool{}
	todo := []state{{0, 0, ^uint32(0)}}
	for len(todo) > 0 {
		st := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[st] {
			continue
		}
		seen[st] = true
		code, jt, jf, k := s.at(st.pc)
		next := state{st.pc + 1, st.word, st.mask}
		switch {
		case code == ret:
			continue
		case code == loadWord:
			next.word, next.mask = int(k/4), ^uint32(0)
		case code == unix.BPF_ALU|unix.BPF_AND|unix.BPF_K:
			next.mask &= k
		case code == unix.BPF_JMP|unix.BPF_JA:
			next.pc += int(k)
		default:
			mask := st.mask
			if code == jumpSet {
				mask &= k
			}
			predicates[st.word][predicate{k, mask}] = true
			next.pc += jt
			todo = append(todo, state{st.pc + 1 + jf, st.word, st.mask})
		}
		todo = append(todo, next)
	}
}

// candidates is, for every set of comparisons of a word that a value can meet
// or miss together, such a value; as long as only one of those on a path has
// a mask. Without a mask the least value is 0, what is compared with, or the
// one after it; with a mask, the first from there on that meets or misses it.
func candidates(set map[predicate]bool) []uint32 {
	values := []uint32{0, ^uint32(0)}
	for p := range set {
		values = append(values, p.k, p.k+1)
	}
	for p := range set {
		if p.mask == ^uint32(0) {
			continue
		}
		for _, v := range slices.Clone(values) {
			if meets, ok := from(v, p.mask, p.k&p.mask); ok {
				values = append(values, meets)
			}
			values = append(values, v)
			if misses := v | (p.mask&-p.mask - 1); v&p.mask == p.k&p.mask && misses < ^uint32(0) {
				values = append(values, misses+1)
			}
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// from is the least value, from v on, whose bits in mask are those of k.
func from(v, mask, k uint32) (uint32, bool) {
	if v&mask == k {
		return v, true
	}
	for bit := uint32(1); bit != 0; bit <<= 1 {
		above := ^(bit | (bit - 1))
		if v&bit == 0 && (mask&bit == 0 || k&bit != 0) && v&above&mask == k&above {
			return v&above | bit | k&(bit-1), true
		}
	}
	return 0, false
}

func (s *search) walk(pc, word int, mask uint32, words [16][]uint32) {
	for {
		code, jt, jf, k := s.at(pc)
		pc++
		switch code {
		case loadWord:
			word, mask = int(k/4), ^uint32(0)
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			mask &= k
		case unix.BPF_JMP | unix.BPF_JA:
			pc += int(k)
		case ret:
			for _, pick := range []func([]uint32) uint32{first, last} {
				c := call{nr: pick(words[0]), arch: pick(words[1])}
				for i := range c.args {
					c.args[i] = uint64(pick(words[4+2*i])) | uint64(pick(words[5+2*i]))<<32
				}
				s.visit(&c)
			}
			return
		default:
			var yes, no []uint32
			for _, v := range words[word] {
				if holds(code, v&mask, k) {
					yes = append(yes, v)
				} else {
					no = append(no, v)
				}
			}
			if len(yes) > 0 && len(no) > 0 {
				other := words
				other[word] = yes
				s.walk(pc+jt, word, mask, other)
				yes = nil
			}
			if len(yes) > 0 {
				words[word], pc = yes, pc+jt
			} else {
				words[word], pc = no, pc+jf
			}
		}
	}
}

func first(v []uint32) uint32 { return v[0] }
func last(v []uint32) uint32  { return v[len(v)-1] }

func holds(code uint16, a, k uint32) bool {
	switch code {
	case jumpEqual:
		return a == k
	case jumpGreater:
		return a > k
	case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
		return a >= k
	}
	return a&k != 0
}
