// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestASlotAndAnUnknownOpHaveNames(t *testing.T) {
	if Slot(7).String() != "s7" || Cwd.String() != "cwd" || Op(1000).String() != "op1000" || OpMoveMount.String() != "move_mount" {
		t.Error(Slot(7), Cwd, Op(1000), OpMoveMount)
	}
}

func TestFlagsArePrintedByNameAndTheRestInHexadecimal(t *testing.T) {
	for flags, want := range map[uint64]string{0: "0", unix.CLONE_NEWNS: "CLONE_NEWNS", unix.CLONE_NEWUSER | unix.CLONE_NEWPID: "CLONE_NEWUSER|CLONE_NEWPID",
		unix.CLONE_NEWTIME | 1<<40: "CLONE_NEWTIME|0x10000000000", 1: "0x1"} {
		if got := CloneFlags(flags); got != want {
			t.Errorf("%#x: %s", flags, got)
		}
	}
	if got := flagNames(mountAttributes, unix.MOUNT_ATTR__ATIME); got != "ATIME_MASK" {
		t.Errorf("the whole atime field is %s", got)
	}
}

func TestACallShowsWhatItUsesThenWhatItFills(t *testing.T) {
	b := NewBuilder()
	b.Openat2(Pointer{}, Cwd, "a\"b", unix.O_PATH|unix.O_CLOEXEC, 0, unix.RESOLVE_BENEATH, 3)
	b.MoveMount(Pointer{}, 3, 4)
	b.Umask(Pointer{}, 0o22)
	b.Prctl(Pointer{}, unix.PR_SET_PDEATHSIG, 9)
	b.Lookup(Pointer{}, []string{"/bin/sh", "a b"})
	for i, want := range []string{`openat2 cwd "a\"b" O_PATH|O_CLOEXEC `, "move_mount s3 s4", "umask 022", "prctl PR_SET_PDEATHSIG 9", `lookup ["/bin/sh" "a b"]`} {
		if got := b.Steps[i].Call(); !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if got := b.Steps[0].Call(); !strings.HasSuffix(got, "BENEATH → s3") {
		t.Errorf("%s", got)
	}
}

func TestLongVectorsAndBinaryDataAreShortened(t *testing.T) {
	b := NewBuilder()
	env := strings.Split(strings.Repeat("A=secret ", 20), " ")
	b.Execve(Pointer{}, []string{"sh"}, env)
	b.Write(Pointer{}, 1, []byte("text"))
	b.Write(Pointer{}, 1, []byte{0xff, 0})
	b.Write(Pointer{}, 1, []byte(strings.Repeat("x", 999)))
	for i, want := range []string{" … 13 more]", `write s1 "text"`, "write s1 <2 bytes>", "write s1 <999 bytes>"} {
		if got := b.Steps[i].Call(); !strings.HasSuffix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAPlanIsALinePerInputAndStepWithNumberAndField(t *testing.T) {
	b := NewBuilder()
	b.Input(Input{At: At("/root/path"), Kind: KindTree, Path: "/r", Tree: true})
	b.Input(Input{Kind: InputKind(99)})
	b.Fchdir(At("/root"), 0)
	b.Else()
	b.Setsid(Pointer{})
	lines := strings.Split(b.Format(), "\n")
	if len(lines) != 6 || lines[5] != "" {
		t.Fatalf("%q", lines)
	}
	for i, want := range [][]string{{"step", "call", "from"}, {"open_tree", `"/r"`, "recursive", "→", "s0", "/root/path"}, {"input", "→", "s1"}, {"1", "fchdir", "s0", "(else)", "/root"}, {"2", "setsid"}} {
		if got := strings.Fields(lines[i]); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q", lines[i])
		}
		if lines[i] != strings.TrimRight(lines[i], " ") {
			t.Errorf("%q ends in spaces", lines[i])
		}
	}
}
