// SPDX-License-Identifier: Apache-2.0

// cover EXECUTOR MARKS: which lines of the executor have run. EXECUTOR has been
// built for it (nsenter/executor/test/cover.c), MARKS is what its runs have left.
package main

import (
	"bytes"
	"debug/dwarf"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cover:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: cover EXECUTOR MARKS")
	}
	program, err := elf.Open(args[0])
	if err != nil {
		return err
	}
	defer program.Close()
	marks, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	blocks, err := calls(program)
	if err != nil {
		return err
	}
	files, err := lines(program, func(address uint64) bool {
		i := sort.Search(len(blocks), func(i int) bool { return blocks[i] > address })
		return i > 0 && blocks[i-1] < uint64(len(marks)) && marks[blocks[i-1]] != 0
	})
	if err != nil {
		return err
	}
	report(files)
	return nil
}

// calls are the addresses behind the calls that mark, each in the block it marks.
func calls(program *elf.File) (after []uint64, err error) {
	symbols, err := program.Symbols()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == "__sanitizer_cov_trace_pc" })
	text := program.Section(".text")
	if i < 0 || text == nil || program.Machine != elf.EM_X86_64 {
		return nil, errors.New("not an executor built for coverage on amd64")
	}
	code, err := text.Data()
	if err != nil {
		return nil, err
	}
	for at := 0; ; at++ {
		next := bytes.IndexByte(code[at:], 0xe8) // call rel32
		if next < 0 || at+next+5 > len(code) {
			return after, nil
		}
		at += next
		behind := text.Addr + uint64(at) + 5
		if behind+uint64(int64(int32(binary.LittleEndian.Uint32(code[at+1:])))) == symbols[i].Value {
			after = append(after, behind)
		}
	}
}

// lines says of each line with code whether a part of it has run.
func lines(program *elf.File, ran func(address uint64) bool) (map[string]map[int]bool, error) {
	info, err := program.DWARF()
	if err != nil {
		return nil, err
	}
	files := map[string]map[int]bool{}
	for units := info.Reader(); ; units.SkipChildren() {
		unit, err := units.Next()
		if err != nil || unit == nil {
			return files, err
		}
		rows, err := info.LineReader(unit)
		if err != nil || rows == nil {
			continue
		}
		var row, last dwarf.LineEntry
		for first := true; ; first = false {
			err := rows.Next(&row)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			// The bytes of a row end where the next begins.
			if !first && !last.EndSequence && row.Address > last.Address && last.IsStmt {
				name := filepath.Base(last.File.Name)
				if files[name] == nil {
					files[name] = map[int]bool{}
				}
				files[name][last.Line] = files[name][last.Line] || ran(row.Address-1)
			}
			last = row
		}
	}
}

// report prints the lines that did not run, and how many did.
func report(files map[string]map[int]bool) {
	all, done := 0, 0
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, ".c") || name == "cover.c" {
			continue
		}
		var not []string
		for _, line := range slices.Sorted(maps.Keys(files[name])) {
			if all++; files[name][line] {
				done++
			} else {
				not = append(not, fmt.Sprint(line))
			}
		}
		fmt.Printf("%-12s %3d of %3d lines", name, len(files[name])-len(not), len(files[name]))
		if len(not) > 0 {
			fmt.Printf("; not %s", strings.Join(not, " "))
		}
		fmt.Println()
	}
	fmt.Printf("%.1f %% of %d lines\n", 100*float64(done)/float64(max(all, 1)), all)
}
