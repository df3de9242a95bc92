// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// panics reports whether f refuses.
func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return
}

func TestInputsTakeTheFirstSlots(t *testing.T) {
	b := NewBuilder()
	if b.Input(Input{}) != 0 || b.Input(Input{}) != 1 || b.Slot() != 2 {
		t.Error("the slots are not 0, 1, 2")
	}
	if !panics(func() { b.Input(Input{}) }) {
		t.Error("an input after a slot")
	}
}

func TestASlotIsNotTakenTwiceBeforeItIsGivenBack(t *testing.T) {
	b := NewBuilder()
	first, second := b.Slot(), b.Slot()
	b.Done(At("/x"), first)
	if again := b.Slot(); again != first || b.Slot() != second+1 {
		t.Errorf("%v is taken after %v was given back", again, first)
	}
	if s := b.Steps[0]; len(b.Steps) != 1 || s.Op != OpClose || s.Args[0] != first || s.At.String() != "/x" {
		t.Errorf("%+v", b.Steps)
	}
	b.Release(second)
	if len(b.Steps) != 1 || b.Slot() != second {
		t.Error("Release closes, or does not give back")
	}
	seen := map[Slot]bool{}
	b = NewBuilder()
	for range maxSlots {
		seen[b.Slot()] = true
	}
	if len(seen) != maxSlots || seen[Cwd] || seen[None] {
		t.Errorf("%d slots", len(seen))
	}
	b.Fchdir(At("/a"), b.Slot())
	if _, err := b.Encode(); err == nil || !strings.Contains(err.Error(), "#/a: fchdir: needs more than 4096") {
		t.Errorf("a slot too many: %v", err)
	}
}

func TestConditionsHoldForTheStepsInsideOnly(t *testing.T) {
	b := NewBuilder()
	s := b.Slot()
	b.Setsid(Pointer{})
	b.When(s, func() { b.Setsid(Pointer{}); b.Umask(Pointer{}, 0) })
	b.Unless(s, func() { b.Setsid(Pointer{}) })
	b.Setsid(Pointer{})
	b.Else()
	b.Tolerate("EROFS", "ENOENT", "EROFS")
	var got []string
	for i := range b.Steps {
		got = append(got, b.Steps[i].Condition())
	}
	if want := []string{"", "if s0", "if s0", "if no s0", "else; may fail with ENOENT, EROFS"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if !panics(func() { b.When(s, func() { b.Unless(s, func() {}) }) }) {
		t.Error("conditions nest")
	}
	if !panics(func() { b.Tolerate("EIO") }) {
		t.Error("an errno that the executor does not know is tolerated")
	}
}

func TestWhatCannotBeEncodedIsAnErrorAtItsField(t *testing.T) {
	for name, build := range map[string]func(*Builder){
		"string": func(b *Builder) { b.Sethostname(At("/hostname"), "a\x00b") },
		"vector": func(b *Builder) { b.Lookup(At("/hostname"), []string{"ok", "\x00"}) },
		"size":   func(b *Builder) { b.Write(At("/hostname"), Cwd, make([]byte, maxSize)) },
		"steps": func(b *Builder) {
			for range maxSteps + 1 {
				b.Setsid(At("/hostname"))
			}
		},
	} {
		b := NewBuilder()
		build(b)
		bytes, err := b.Encode()
		var e *Error
		if bytes != nil || !errors.As(err, &e) || e.At.String() != "/hostname" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryOpSurvivesItsEncoding(t *testing.T) {
	p := &Plan{Inputs: []Input{{At: At("/root/path"), Kind: KindTree, Path: "/r", Tree: true}, {Kind: KindGate}}}
	for op := range nOps {
		s := Step{At: At("/a~1b").Index(int(op)).Field(""), Op: op, When: None}
		for _, letter := range ops[op].signature {
			s.Args = append(s.Args, map[rune]any{'s': "é\n", 'v': []string{"", "x"}, 'b': []byte{0, 1}, 'u': uint64(1) << 63, 'f': Slot(1), 'F': Slot(2)}[letter])
		}
		p.Steps = append(p.Steps, s)
	}
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil || !reflect.DeepEqual(got.Inputs[1:], p.Inputs[1:]) || got.Inputs[0].Path != "/r" || !got.Inputs[0].Tree {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range p.Steps {
		g, w := got.Steps[i], p.Steps[i]
		if g.At.String() != w.At.String() || g.Op != w.Op || len(w.Args) > 0 && !reflect.DeepEqual(g.Args, w.Args) {
			t.Errorf("%s: %+v", w.Op, g)
		}
	}
}

// FuzzDecode: what Decode accepts can be printed, and encodes to a plan that
// decodes to the same.
func FuzzDecode(f *testing.F) {
	b := NewBuilder()
	b.Input(Input{At: At("/root/path"), Kind: KindTree, Path: "/r", Tree: true})
	s := b.Slot()
	b.Openat2(At("/x"), Cwd, "/", 1, 2, 3, s)
	b.Tolerate("ENOENT")
	b.When(s, func() { b.Write(At("/y/0"), s, []byte("data")) })
	b.Execve(Pointer{}, []string{"sh", ""}, nil)
	for _, p := range []*Plan{{}, &b.Plan} {
		bytes, err := p.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) >= 16 { // these the fuzzer would only rarely guess
			le.PutUint32(in[4:], uint32(len(in)))
			le.PutUint64(in[8:], vocabulary)
		}
		p, err := Decode(in)
		if err != nil {
			if p != nil || !errors.Is(err, ErrMalformed) {
				t.Fatal(p, err)
			}
			return
		}
		text := p.Format()
		if n := strings.Count(text, "\n"); n != 1+len(p.Inputs)+len(p.Steps) {
			t.Fatalf("%d lines for %d steps", n, len(p.Steps))
		}
		out, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(out)
		if err != nil || again.Format() != text {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}
