// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/binary"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"corten/nsenter"
	"corten/nsenter/plan"
)

// Trace is where a command's time went: spans of the runtime's phases and of
// each step of the executor, by the clock that all namespaces share
// (CLOCK_REALTIME, in nanoseconds). A nil Trace collects nothing and costs
// nothing.
type Trace struct {
	file  *os.File
	spans []span
	phase int // index of the one that lasts
}

type span struct {
	name       string
	begin, end int64

	// Of the executor only.
	step     *plan.Step // worded when the trace is written
	number   int        // of the step, from 1
	executor int        // its pid
}

// NewTrace opens the file and begins with the time since the process began.
func NewTrace(name string) (*Trace, error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return nil, err
	}
	return &Trace{file: file, spans: []span{{name: "start of the process", begin: time.Now().UnixNano() - lived().Nanoseconds()}}}, nil
}

// Phase begins one of the runtime's; it lasts until the next begins.
func (t *Trace) Phase(name string) {
	if t == nil {
		return
	}
	now := time.Now().UnixNano()
	t.spans[t.phase].end = now
	t.phase = len(t.spans)
	t.spans = append(t.spans, span{name: name, begin: now})
}

// stamps are the times at which the executor began its steps, in memory that it
// shares; 0: not run, or not told.
type stamps struct {
	fd     int
	memory []byte
}

func newStamps(steps int) (*stamps, error) {
	fd, err := unix.MemfdCreate("corten-stamps", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	s := &stamps{fd: fd}
	if err = unix.Ftruncate(fd, int64(steps)*8); err == nil {
		s.memory, err = unix.Mmap(fd, 0, steps*8, unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("memory of the trace", err)
	}
	return s, nil
}

// behind adds the memory to the inputs.
func (s *stamps) behind(inputs []int) []int {
	if s == nil {
		return inputs
	}
	return append(inputs[:len(inputs):len(inputs)], s.fd)
}

// traced makes the executor note its times, if there is a trace.
func (s *spawn) traced() (err error) {
	if s.r.Trace != nil && len(s.compiled.Steps) > 0 {
		s.compiled.Stamps = true
		s.stamps, err = newStamps(len(s.compiled.Steps))
	}
	return err
}

// endSteps adds those that have begun; the last one ends now.
func (s *spawn) endSteps() {
	if s.stamps != nil {
		s.r.Trace.steps(&s.compiled.Plan, s.stamps, s.executor.PID)
		s.stamps = nil
	}
}

func (t *Trace) steps(p *plan.Plan, s *stamps, pid int) {
	last, end := -1, time.Now().UnixNano()
	for i := range p.Steps {
		began := int64(binary.NativeEndian.Uint64(s.memory[8*i:]))
		if began == 0 {
			continue
		}
		if last >= 0 {
			t.spans[last].end = began
		}
		last = len(t.spans)
		t.spans = append(t.spans, span{step: &p.Steps[i], number: i + 1, begin: began, executor: pid})
	}
	if last >= 0 {
		t.spans[last].end = end
	}
	_ = unix.Munmap(s.memory)
	unix.Close(s.fd)
}

// Write appends the trace to its file, in the JSON array format of Chrome's
// trace events, whose closing bracket may be missing: the commands of a
// container's life can share a file.
func (t *Trace) Write() error {
	if t == nil {
		return nil
	}
	t.Phase("write the trace")
	text := make([]byte, 0, 256*len(t.spans))
	if st, err := t.file.Stat(); err == nil && st.Size() == 0 {
		text = append(text, "[\n"...)
	}
	for i := range t.spans[:t.phase] {
		text = append(t.spans[i].json(text), ",\n"...)
	}
	if _, err := t.file.Write(text); err != nil {
		return err
	}
	last := &t.spans[t.phase]
	last.end = time.Now().UnixNano()
	_, err := t.file.Write(append(last.json(text[:0]), ",\n"...))
	return err
}

// End ends the process with the status, and the trace with the time that takes the
// kernel: most of it goes by before a smaller program, which writes that, has taken
// the place of this one. Where it cannot, the process ends without.
func (t *Trace) End(status int) {
	if t != nil && t.spans[t.phase].end > 0 {
		end := span{name: "end of the process", begin: t.spans[t.phase].end}
		_ = nsenter.Finish(int(t.file.Fd()), string(end.open(nil)), end.begin, status)
	}
	os.Exit(status)
}

// json appends a complete event.
func (s *span) json(b []byte) []byte {
	b = s.open(b)
	microseconds(&b, max(0, s.end-s.begin))
	return append(b, '}')
}

// open appends an event up to its duration, which is the end of it. Times are in
// microseconds, and the executor is a process of its own.
func (s *span) open(b []byte) []byte {
	name, pid, kind := s.name, os.Getpid(), "runtime"
	if s.step != nil {
		name, pid, kind = strconv.Itoa(s.number)+" "+s.step.Call(), s.executor, "executor"
	}
	b = append(append(b, `{"name":`...), quoteJSON(name)...)
	b = append(append(append(b, `,"cat":"`...), kind...), `","ph":"X"`...)
	b = strconv.AppendInt(append(b, `,"pid":`...), int64(pid), 10)
	b = strconv.AppendInt(append(b, `,"tid":`...), int64(pid), 10)
	if s.step != nil && s.step.At.String() != "" {
		b = append(append(append(b, `,"args":{"field":`...), quoteJSON("config.json#"+s.step.At.String())...), '}')
	}
	b = append(b, `,"ts":`...)
	microseconds(&b, s.begin)
	return append(b, `,"dur":`...)
}

func microseconds(b *[]byte, n int64) {
	*b = append(strconv.AppendInt(*b, n/1000, 10), '.', byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}
