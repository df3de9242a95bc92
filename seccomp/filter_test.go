// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func engineProfile(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/engine.json")
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestCompile(t *testing.T) {
	p, err := Compile(at, []byte(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read","no_such_call","write","nor_this"],"action":"SCMP_ACT_ALLOW"}]}`), "")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Unknown, []string{"no_such_call", "nor_this"}) || !validProgram(p.BPF) {
		t.Errorf("%q, %d bytes", p.Unknown, len(p.BPF))
	}
	again, err := Filter(at, []byte(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read","write"],"action":"SCMP_ACT_ALLOW"}]}`), "")
	if err != nil || !bytes.Equal(again, p.BPF) {
		t.Errorf("unknown names change the program: %v", err)
	}
}

// TestBuild: the last line of the compiler's file tells the truth.
func TestBuild(t *testing.T) {
	b, err := carried.ReadFile(carriedName)
	if err != nil {
		t.Fatal("no compiler: run make -C seccomp/compiler")
	}
	version, digest, _ := strings.Cut(build(), " ")
	sum := sha256.Sum256(b[:len(b)-len(build())-2])
	if hex.EncodeToString(sum[:]) != digest {
		t.Errorf("digest %s of the last line is not the file's", digest)
	}
	r, err := run(nil, "version")
	if err != nil || string(r.stdout) != version+"\n" || Version() != version {
		t.Errorf("version %q, the compiler says %q, %v", version, r.stdout, err)
	}
}

// TestTooLong: a filter longer than the kernel takes is an error, not cut.
func TestTooLong(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[`)
	for i := range 2000 {
		b.WriteString(`{"index":1,"value":` + strconv.Itoa(i<<33|i) + `,"op":"SCMP_CMP_EQ"},`)
	}
	b.WriteString(`{"index":1,"op":"SCMP_CMP_EQ"}]}]}`)
	_, err := Filter(at, []byte(b.String()), "")
	if err == nil || !strings.Contains(err.Error(), "instructions, the kernel takes 4096") {
		t.Error(err)
	}
}

func TestNoDescriptorsLeft(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	dir := t.TempDir()
	Filter(at, engineProfile(t), dir)
	before := count()
	for range 3 {
		Filter(at, engineProfile(t), dir)
		Filter(at, engineProfile(t), "")
		Filter(at, []byte("{}"), dir)
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors, then %d", before, after)
	}
}
