// SPDX-License-Identifier: Apache-2.0

package nsenter

import (
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// receiving is an executor that waits for a barrier, and then writes to what it
// receives.
func receiving(t *testing.T) *session {
	b := plan.NewBuilder()
	b.Barrier(at, 0)
	fd := b.Slot()
	b.Receive(at, fd)
	b.Write(at, fd, []byte("received"))
	return start(t, b, 0)
}

func TestADescriptorIsHandedOverInTheOrderOfTheBarriers(t *testing.T) {
	s := receiving(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := errors.Join(s.e.Proceed(), s.e.Hand(int(w.Fd()))); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if got, err := io.ReadAll(r); string(got) != "received" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	s.eof()
	if status := s.end(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestAnExecutorThatIsHandedNothingEnds(t *testing.T) {
	for name, give := range map[string]func(*Executor) error{
		"a byte":  (*Executor).Proceed,
		"the end": func(e *Executor) error { return unix.Shutdown(e.Status, unix.SHUT_WR) },
	} {
		s := receiving(t)
		if err := errors.Join(s.e.Proceed(), give(s.e)); err != nil {
			t.Fatal(err)
		}
		if status := s.end(); status != 1 {
			t.Errorf("%s: exit status %d, want 1", name, status)
		}
	}
}
