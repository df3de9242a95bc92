// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// small is the cgroup of the containers whose memory is looked at.
const small = "bench-small"

// size is a row of what a runtime takes in memory, in KiB: the median of so many.
type size struct {
	name string
	of   func(*bench, *contender) (int, error)
	many int
}

func sizes() []size {
	return []size{
		{"peak RSS of run", (*bench).peak, 5},
		{"charged to the container before execve", (*bench).charged, 5},
		{"smallest memory limit", (*bench).smallest, 1}, // asks three times itself
	}
}

// compareSizes asks each runtime about its memory.
func (b *bench) compareSizes(all []*contender, only *regexp.Regexp) {
	for _, s := range sizes() {
		if !only.MatchString(s.name) {
			continue
		}
		fmt.Printf("%s\n  %-12s %9s\n", s.name, "", "KiB")
		for _, c := range all {
			if c.name == "floor" {
				continue
			}
			kib, err := middle(s.many, func() (int, error) { return s.of(b, c) })
			if err != nil {
				fmt.Fprintf(os.Stderr, "bench: %s of %s: %v\n", s.name, c.name, err)
				discard(c, 0)
				continue
			}
			fmt.Printf("  %-12s %9d\n", c.name, kib)
		}
	}
}

// middle is the median of so many answers.
func middle(many int, ask func() (int, error)) (int, error) {
	answers := make([]int, many)
	for i := range answers {
		var err error
		if answers[i], err = ask(); err != nil {
			return 0, err
		}
	}
	slices.Sort(answers)
	return answers[many/2], nil
}

// peak is the largest resident set of a run's processes, as wait4 has it. The
// floor program asks: it is small itself, and a process begins with the peak of
// the one it was forked from.
func (b *bench) peak(c *contender) (int, error) {
	file := filepath.Join(b.dir, "peak")
	run := c.words("run", "--bundle", b.bundle("plain"), id(c, 0))
	if err := b.command(append([]string{b.floor, "peak", file}, run...)); err != nil {
		return 0, err
	}
	return number(file)
}

// charged is what a created container's cgroup has been charged with: at least
// 256 KiB (MEMCG_CHARGE_BATCH), and as much again when the runtime's part in it is
// moved to another processor.
func (b *bench) charged(c *contender) (int, error) {
	if err := b.configure("small", b.smallSpec(0)); err != nil {
		return 0, err
	}
	if err := b.command(c.words("create", "--bundle", b.bundle("small"), id(c, 0))); err != nil {
		return 0, err
	}
	defer discard(c, 0)
	for _, file := range []string{"memory/" + small + "/memory.max_usage_in_bytes", small + "/memory.peak"} {
		if bytes, err := number(filepath.Join(cgroupRoot, file)); err == nil {
			return bytes >> 10, nil
		}
	}
	return 0, fmt.Errorf("no cgroup %s that counts memory", small)
}

// smallest is the lowest multiple of 64 KiB under which a static program runs
// three times in a row.
func (b *bench) smallest(c *contender) (int, error) {
	var err error
	for kib := 64; kib <= 8192; kib += 64 {
		if err := b.configure("small", b.smallSpec(kib)); err != nil {
			return 0, err
		}
		for round := 0; round < 3 && (round == 0 || err == nil); round++ {
			err = b.command(append([]string{"timeout", "10"}, c.words("run", "--bundle", b.bundle("small"), id(c, round))...))
			if err != nil {
				discard(c, round)
			}
		}
		if err == nil {
			return kib, nil
		}
	}
	return 0, err
}

func (b *bench) smallSpec(kib int) *specs.Spec {
	spec := bundle.Base()
	spec.Process.Args = []string{"/bin/nothing"}
	spec.Linux.CgroupsPath = "/" + small
	spec.Linux.Resources = nil
	if limit := int64(kib) << 10; kib > 0 {
		spec.Linux.Resources = &specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit}}
	}
	return spec
}

// makeNothing is a static program that does nothing, for the small containers.
func (b *bench) makeNothing() error {
	source, program := filepath.Join(b.dir, "nothing.c"), filepath.Join(b.bundle("small"), "rootfs/bin/nothing")
	if err := os.WriteFile(source, []byte("int main(void) { return 0; }\n"), 0o644); err != nil {
		return err
	}
	if out, err := exec.Command("gcc", "-static", "-Os", "-o", program, source).CombinedOutput(); err != nil {
		return fmt.Errorf("gcc: %w\n%s", err, out)
	}
	return nil
}

func number(file string) (int, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
