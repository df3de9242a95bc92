// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"errors"
)

// ErrMalformed is returned by Decode for bytes that no Encode has written.
var ErrMalformed = errors.New("malformed plan")

// Decode reads what Encode wrote. It accepts exactly what the executor's
// plan_read accepts and, beyond that, checks the pointers.
func Decode(b []byte) (p *Plan, err error) {
	if len(b) < headerSize || len(b) > maxSize || le.Uint32(b) != magic || int64(le.Uint32(b[4:])) != int64(len(b)) ||
		le.Uint64(b[8:]) != vocabulary || le.Uint32(b[28:]) > 1 {
		return nil, ErrMalformed
	}
	nsteps, ninputs, pointers := le.Uint32(b[16:]), le.Uint32(b[20:]), uint64(le.Uint32(b[24:]))
	data := headerSize + stepSize*uint64(nsteps)
	if nsteps > maxSteps || ninputs > maxSlots || data > pointers || pointers > uint64(len(b)) {
		return nil, ErrMalformed
	}
	d := decoder{b: b[:pointers], data: data, rest: b[pointers:]}
	p = &Plan{Stamps: le.Uint32(b[28:]) == 1}
	for range ninputs {
		p.Inputs = append(p.Inputs, d.input())
	}
	for i := range nsteps {
		p.Steps = append(p.Steps, d.step(b[headerSize+stepSize*i:][:stepSize]))
	}
	if d.bad || len(d.rest) != 0 {
		return nil, ErrMalformed
	}
	return p, nil
}

type decoder struct {
	b    []byte // header, steps and data
	data uint64 // where the data begins that no argument has taken yet
	rest []byte // of the pointers
	bad  bool
}

func (d *decoder) input() Input {
	if len(d.rest) < 2 || d.rest[1] > 1 {
		d.bad = true
		return Input{}
	}
	in := Input{Kind: InputKind(d.rest[0]), Tree: d.rest[1] == 1}
	d.rest = d.rest[2:]
	in.At, in.Path = At(d.pointer()), d.text()
	return in
}

func (d *decoder) pointer() string {
	s := d.text()
	if s != "" && s[0] != '/' {
		d.bad = true
		return ""
	}
	return s
}

func (d *decoder) text() string {
	if len(d.rest) < 2 || len(d.rest)-2 < int(le.Uint16(d.rest)) {
		d.bad, d.rest = true, nil
		return ""
	}
	n := 2 + int(le.Uint16(d.rest))
	s := string(d.rest[2:n])
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) step(b []byte) Step {
	op, flags, when, mask := Op(le.Uint16(b)), le.Uint16(b[2:]), Slot(le.Uint16(b[4:])), le.Uint32(b[8:])
	if op >= nOps || flags&^(flagElse|flagUnless) != 0 || le.Uint16(b[6:]) != 0 || le.Uint32(b[12:]) != 0 ||
		(when != None && when >= maxSlots) || (when == None && flags&flagUnless != 0) || mask>>len(tolerable) != 0 {
		d.bad = true
		return Step{}
	}
	s := Step{At: At(d.pointer()), Op: op, Else: flags&flagElse != 0, When: when, Unless: flags&flagUnless != 0}
	s.Tolerate = tolerated(mask)
	signature := ops[op].signature
	for i := range maxArgs {
		raw := le.Uint64(b[16+8*i:])
		if i < len(signature) {
			s.Args = append(s.Args, d.arg(signature[i], raw))
		} else if raw != 0 {
			d.bad = true
		}
	}
	return s
}

func (d *decoder) arg(letter byte, raw uint64) any {
	switch letter {
	case 'u':
		return raw
	case 'f', 'F':
		if raw >= maxSlots && (letter == 'F' || raw != uint64(Cwd)) {
			d.bad = true
		}
		return Slot(raw)
	case 's':
		return d.string(raw)
	case 'v':
		off, n := raw&0xffffffff, raw>>32
		if !d.within(off, 8*(n+1)) || off%8 != 0 || le.Uint64(d.b[off+8*n:]) != 0 {
			d.bad = true
			return []string(nil)
		}
		v := make([]string, 0, min(n, 4096))
		for i := range n {
			v = append(v, d.string(le.Uint64(d.b[off+8*i:])))
			if d.bad {
				return v
			}
		}
		d.take(off, 8*(n+1))
		return v
	default: // 'b'
		if raw>>32 != 0 || raw%8 != 0 || !d.take(raw, 8) || !d.take(raw+8, le.Uint64(d.b[raw:])) {
			d.bad = true
			return []byte(nil)
		}
		return bytes.Clone(d.b[raw+8:][:le.Uint64(d.b[raw:])])
	}
}

func (d *decoder) string(ref uint64) string {
	off, n := ref&0xffffffff, ref>>32
	if !d.take(off, n+1) || bytes.IndexByte(d.b[off:off+n+1], 0) != int(n) {
		d.bad = true
		return ""
	}
	return string(d.b[off : off+n])
}

// take is within, and what it has taken no other argument can have: the
// executor relocates references in place.
func (d *decoder) take(off, n uint64) bool {
	if !d.within(off, n) {
		d.bad = true
		return false
	}
	d.data = off + n
	return true
}

// within reports whether n bytes at off are in the data that is left.
func (d *decoder) within(off, n uint64) bool {
	return off >= d.data && off <= uint64(len(d.b)) && n <= uint64(len(d.b))-off
}
