// SPDX-License-Identifier: Apache-2.0

package cgroups

import (
	"errors"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// write carries out the rows. Rows of one file after another share its
// descriptor.
func (p *Plan) write(c *Cgroup, existed []bool) error {
	w := writer{fd: -1}
	defer w.close()
	for i := range p.Rows {
		row := &p.Rows[i]
		if row.Reused && !existed[row.Dir] {
			continue
		}
		dir := c.dirs[row.Dir].fd
		err := error(nil)
		if row.Devices != nil {
			err = row.program(dir, existed[row.Dir])
		} else {
			err = w.row(dir, row)
		}
		if err != nil && !p.forgives(row, err) {
			return err
		}
	}
	return nil
}

// forgives tells the failures that are no loss of protection: in a user
// namespace devices cannot be made, and only those given can be opened.
func (p *Plan) forgives(row *Row, err error) bool {
	return (row.Devices != nil || row.Controller == "devices") && isErrno(err, unix.EPERM) && (p.rootless || inUserNS())
}

// inUserNS compares with the inode of the initial user namespace, which is
// fixed (PROC_USER_INIT_INO, linux/proc_ns.h).
func inUserNS() bool {
	var st unix.Stat_t
	return unix.Stat("/proc/self/ns/user", &st) == nil && st.Ino != 0xEFFFFFFD
}

type writer struct {
	dir, fd int
	file    string
}

func (w *writer) close() {
	if w.fd >= 0 {
		unix.Close(w.fd)
	}
	w.fd = -1
}

func (w *writer) row(dir int, row *Row) (err error) {
	if w.fd < 0 || w.dir != dir || w.file != row.File {
		w.close()
		flags := unix.O_WRONLY
		if row.ReadBack != NoReadBack {
			flags = unix.O_RDWR
		}
		if row.ReadBack == AtMost {
			flags = unix.O_RDONLY
		}
		if w.fd, err = openBeneath(dir, row.File, flags); err == unix.ENOENT && row.IfThere {
			return nil
		} else if err == unix.ENOENT && row.Else != nil {
			return w.row(dir, row.Else)
		} else if err != nil {
			return row.failed("open "+row.File, err)
		}
		w.dir, w.file = dir, row.File
	}
	if row.ReadBack != AtMost {
		n, err := retry(func() (int, error) { return unix.Pwrite(w.fd, []byte(row.Value), 0) })
		if err == nil && n < len(row.Value) {
			err = unix.EIO
		}
		if err != nil {
			return row.failed("write "+row.File+" "+strconv.Quote(row.Value), err)
		}
	}
	if row.ReadBack == NoReadBack {
		return nil
	}
	var buf [4096]byte
	n, err := retry(func() (int, error) { return unix.Pread(w.fd, buf[:], 0) })
	if err != nil {
		return row.failed("read "+row.File, err)
	}
	return row.compare(dir, strings.TrimSpace(string(buf[:n])))
}

func (r *Row) failed(op string, err error) error {
	return &plan.Error{At: r.At, Op: op, Err: err}
}

// compare refuses a value that the kernel took and changed: what is asked for
// must be in force (P9, C11).
func (r *Row) compare(dir int, got string) error {
	same := got == r.Value
	switch r.ReadBack {
	case Bytes:
		page := ^int64(os.Getpagesize() - 1)
		same = same || bytesOf(got)&page == bytesOf(r.Value)&page
	case Line:
		same = hasLine(got, strings.Fields(r.Value))
	case AtMost:
		if bytesOf(got) > bytesOf(r.Value) {
			return &plan.Error{At: r.At, Err: errors.New("unable to set memory limit to " + r.Value + " (current usage: " + got + ")")}
		}
		return nil
	case List:
		want, ok := parseSet(r.Value)
		have, ok2 := parseSet(got)
		same = same || !ok || !ok2 || want == have
		if same && ok {
			// On v2 any CPU may be asked for, also one the parent has not.
			if text, err := readFile(dir, r.File+".effective"); err == nil {
				if in, ok := parseSet(text); ok && !in.within(&want) {
					got, same = strings.TrimSpace(text), false
				}
			}
		}
	}
	if same {
		return nil
	}
	return &plan.Error{At: r.At, Op: "write " + r.File + " " + strconv.Quote(r.Value), Err: errors.New("the kernel has set " + strconv.Quote(got))}
}

// hasLine says whether a line of text has all the words.
func hasLine(text string, words []string) bool {
	for line := range strings.Lines(text) {
		has := strings.Fields(line)
		if !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(has, w) }) {
			return true
		}
	}
	return false
}

func bytesOf(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 { // "max", "-1", or more than int64 holds
		return math.MaxInt64
	}
	return n
}

// program replaces the device programs of the cgroup by the row's.
func (r *Row) program(dir int, existed bool) error {
	if r.Devices.Allow && len(r.Devices.Rules) == 0 && !existed {
		return nil // a new cgroup has no program, which allows the same
	}
	program, err := r.Devices.load()
	if err != nil {
		return r.failed("bpf BPF_PROG_LOAD", err)
	}
	defer unix.Close(program)
	var old []uint32
	if existed {
		if old, err = attached(dir); err != nil {
			return r.failed("bpf BPF_PROG_QUERY", err)
		}
	}
	if err := attach(dir, program); err != nil {
		return r.failed("bpf BPF_PROG_ATTACH", err)
	}
	for _, id := range old { // after the new one: never a moment without
		if err := detach(dir, id); err != nil {
			return r.failed("bpf BPF_PROG_DETACH", err)
		}
	}
	return nil
}

// set is a set of CPUs or memory nodes.
type set [128]uint64

// parseSet reads "0-3,7". Lists with strides or numbers past 8191 are the
// kernel's to judge: ok is false.
func parseSet(s string) (v set, ok bool) {
	for part := range strings.SplitSeq(strings.TrimSpace(s), ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		from, err := strconv.ParseUint(first, 10, 13)
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseUint(last, 10, 13)
		}
		if err != nil {
			return v, false
		}
		for n := from; n <= to; n++ {
			v[n/64] |= 1 << (n % 64)
		}
	}
	return v, true
}

func (v *set) within(other *set) bool {
	for i := range v {
		if v[i]&^other[i] != 0 {
			return false
		}
	}
	return true
}
