// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"encoding/binary"
	"errors"
	"strconv"
	"syscall"
)

// The wire layout is that of executor/plan.h.
const (
	magic      = 0x004e4c50
	headerSize = 32
	stepSize   = 64
	maxSize    = 32 << 20
	maxSteps   = 65535
)

var le = binary.LittleEndian // both amd64 and arm64

// Encode is the plan in the bytes the executor reads, with the pointers, for Decode.
// The same plan always gives the same bytes. Strings with a NUL inside, and plans
// over 32 MiB, 65535 steps or 4096 descriptors, are errors with the pointer of the step.
func (p *Plan) Encode() ([]byte, error) { return p.encode(true) }

// EncodeSteps is Encode without the pointers: for the executor alone.
func (p *Plan) EncodeSteps() ([]byte, error) { return p.encode(false) }

func (p *Plan) encode(pointed bool) ([]byte, error) {
	if len(p.Steps) > maxSteps {
		return nil, &Error{At: p.Steps[maxSteps].At, Err: errors.New("more than " + strconv.Itoa(maxSteps) + " steps")}
	}
	if len(p.Inputs) > maxSlots {
		return nil, &Error{At: p.Inputs[maxSlots].At, Err: errSlots}
	}
	e := encoder{b: make([]byte, headerSize+stepSize*len(p.Steps), headerSize+stepSize*len(p.Steps)+8192)}
	for i := range p.Steps {
		if err := e.step(headerSize+stepSize*i, &p.Steps[i]); err != nil {
			return nil, err
		}
		if len(e.b) > maxSize {
			return nil, &Error{At: p.Steps[i].At, Err: syscall.E2BIG, Op: "encode"}
		}
	}
	e.align()
	pointers := len(e.b)
	if pointed {
		e.pointers(p)
	}
	if len(e.b) > maxSize {
		return nil, &Error{Err: syscall.E2BIG, Op: "encode"}
	}
	le.PutUint32(e.b[0:], magic)
	le.PutUint32(e.b[4:], uint32(len(e.b)))
	le.PutUint64(e.b[8:], vocabulary)
	le.PutUint32(e.b[16:], uint32(len(p.Steps)))
	le.PutUint32(e.b[20:], uint32(len(p.Inputs)))
	le.PutUint32(e.b[24:], uint32(pointers))
	if p.Stamps {
		le.PutUint32(e.b[28:], 1)
	}
	return e.b, nil
}

var errSlots = errors.New("needs more than 4096 descriptors")

type encoder struct {
	b []byte
}

func (e *encoder) step(at int, s *Step) error {
	flags := uint16(0)
	if s.Else {
		flags |= flagElse
	}
	if s.Unless {
		flags |= flagUnless
	}
	le.PutUint16(e.b[at:], uint16(s.Op))
	le.PutUint16(e.b[at+2:], flags)
	le.PutUint16(e.b[at+4:], uint16(s.When))
	le.PutUint32(e.b[at+8:], tolerateMask(s.Tolerate))
	for i, arg := range s.Args {
		ref, err := e.arg(arg)
		if err != nil {
			return &Error{At: s.At, Op: s.Op.String(), Err: err}
		}
		le.PutUint64(e.b[at+16+8*i:], ref)
	}
	return nil
}

func (e *encoder) arg(arg any) (uint64, error) {
	switch arg := arg.(type) {
	case uint64:
		return arg, nil
	case Slot:
		if arg >= maxSlots && arg != Cwd {
			return 0, errSlots
		}
		return uint64(arg), nil
	case string:
		return e.string(arg)
	case []string:
		refs := make([]byte, 8*(len(arg)+1))
		for i, s := range arg {
			ref, err := e.string(s)
			if err != nil {
				return 0, err
			}
			le.PutUint64(refs[8*i:], ref)
		}
		e.align()
		at := len(e.b)
		e.b = append(e.b, refs...)
		return uint64(at) | uint64(len(arg))<<32, nil
	case []byte:
		e.align()
		at := len(e.b)
		e.b = append(le.AppendUint64(e.b, uint64(len(arg))), arg...)
		return uint64(at), nil
	}
	panic("plan: argument of no signature letter")
}

func (e *encoder) string(s string) (uint64, error) {
	if !validString(s) {
		return 0, errors.New("NUL in " + strconv.Quote(s))
	}
	at := len(e.b)
	e.b = append(append(e.b, s...), 0)
	return uint64(at) | uint64(len(s))<<32, nil
}

func (e *encoder) align() {
	for len(e.b)%8 != 0 {
		e.b = append(e.b, 0)
	}
}

// pointers appends, for each input and then each step, the pointer's text
// after its u16 length; an input adds its kind, whether it is a tree, and its
// path.
func (e *encoder) pointers(p *Plan) {
	for _, in := range p.Inputs {
		tree := byte(0)
		if in.Tree {
			tree = 1
		}
		e.b = append(e.b, byte(in.Kind), tree)
		e.text(in.At.String())
		e.text(in.Path)
	}
	for i := range p.Steps {
		at := len(e.b)
		e.b = p.Steps[i].At.append(append(e.b, 0, 0))
		e.b = e.b[:min(len(e.b), at+2+1<<16-1)]
		le.PutUint16(e.b[at:], uint16(len(e.b)-at-2))
	}
}

// text writes at most what its length can count; longer ones no PATH_MAX allows.
func (e *encoder) text(s string) {
	s = s[:min(len(s), 1<<16-1)]
	e.b = append(le.AppendUint16(e.b, uint16(len(s))), s...)
}
