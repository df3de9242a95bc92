// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Report is what the probe sees inside of a container.
type Report struct {
	Args, Env            []string
	Files                map[string]string // by path; "" if unreadable
	FDs                  []FD
	NS, Self             map[string]string // links of /proc/self/ns and /proc/self
	Cwd                  string            // of getcwd(2), or the errno's name
	Hostname, Domainname string
	PID, PPID, SID, PGID int
	IsATTY               int
	TTY                  string // of opening /dev/tty: "ok" or the errno's name
	ExeWrite             string `json:"exe_write"` // of opening /proc/self/exe to write
	Rows, Cols           int
	Umask, Securebits    int
	Dumpable, PDeathSig  int
	Personality          int
	Machine              string // of uname(2)
	Scheduling           Scheduling
	Monotonic, Boottime  int64 // clocks, in seconds
	KeyringSerial        int64 `json:"keyring_serial"`
	Keyring              string
	Rlimits              []struct{ Soft, Hard uint64 } // by resource number
}

// Scheduling is what the kernel gives the process, in its own numbers. CPUs
// and Nodes are masks of the first 64.
type Scheduling struct {
	Policy, Priority          int
	Flags                     uint64
	Nice                      int
	Runtime, Deadline, Period uint64
	IOPrio                    int
	CPUs                      uint64
	Mode                      int // of get_mempolicy(2) with its flags
	Nodes                     uint64
}

// FD is an open descriptor. Mode is st_mode, Link what /proc/self/fd shows.
type FD struct {
	FD, Flags, Mode, UID int
	Dev, Ino             uint64
	Rdev, Link           string
}

// Report runs the probe as payload, which Probe() must have made it, in the
// foreground.
func (b *Bundle) Report(flags ...string) *Report {
	b.t.Helper()
	return ParseReport(b.t, b.RunOK(flags...))
}

// ParseReport decodes what the probe printed.
func ParseReport(t testing.TB, text string) *Report {
	t.Helper()
	var r Report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("report of the probe: %v\n%s", err, tail(text, 2000))
	}
	return &r
}

// Status is a field of /proc/self/status, its words parted by single blanks.
func (r *Report) Status(field string) string {
	for line := range strings.Lines(r.Files["/proc/self/status"]) {
		if rest, found := strings.CutPrefix(line, field+":"); found {
			return strings.Join(strings.Fields(rest), " ")
		}
	}
	return ""
}

// Caps is a capability set of /proc/self/status: Inh, Prm, Eff, Bnd or Amb.
func (r *Report) Caps(set string) uint64 {
	n, _ := strconv.ParseUint(r.Status("Cap"+set), 16, 64)
	return n
}

// MountPoint is one line of mountinfo.
type MountPoint struct {
	ID, Parent               string
	Root, Path, Type, Source string
	Options                  []string // of the mount
	Propagation              []string // shared:N, master:N, unbindable
	Super                    []string // of the file system
}

// Mounts parses mountinfo.
func (r *Report) Mounts() []MountPoint {
	var all []MountPoint
	for line := range strings.Lines(r.Files["/proc/self/mountinfo"]) {
		f := strings.Fields(line)
		dash := slices.Index(f, "-")
		if dash < 6 || len(f) < dash+4 {
			continue
		}
		all = append(all, MountPoint{ID: f[0], Parent: f[1], Root: f[3], Path: f[4], Options: strings.Split(f[5], ","), Propagation: f[6:dash],
			Type: f[dash+1], Source: f[dash+2], Super: strings.Split(f[dash+3], ",")})
	}
	return all
}

// Mount is the last mount on a path; nil if there is none.
func (r *Report) Mount(path string) *MountPoint {
	var found *MountPoint
	for _, m := range r.Mounts() {
		if m.Path == path {
			found = &m
		}
	}
	return found
}

// Has says whether the mount or its file system has the option.
func (m *MountPoint) Has(option string) bool {
	return slices.Contains(m.Options, option) || slices.Contains(m.Super, option)
}
