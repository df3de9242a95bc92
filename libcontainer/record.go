// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"time"
)

// facts on disk. What can be asked of the kernel is not stored: the status.
type record struct {
	Version   int
	ID        string
	PID       int
	StartTime uint64 // of the process, in clock ticks since boot
	BootID    string
	Bundle    string
	Config    string // create's --config; "": the bundle's
	Rootfs    string
	Created   time.Time
	UID       int      // of the caller
	Cgroups   []string // the container's directory in each hierarchy
	Into      int      // index of the one entered by clone3(2), -1: none

	// Of its config.json, so that state, kill and delete need not read that.
	OCIVersion   string
	Annotations  map[string]string
	OwnPIDs      bool // it has a pid namespace of its own
	Poststart    bool // it has such hooks
	Poststop     bool
	NoNewKeyring bool // exec keeps the caller's, too
	Idle         bool // config.json has no process to start
}

const recordVersion = 1

// newRecord is that of a container that is about to be made.
func newRecord(o *CreateOptions, config *Config) record {
	r := record{ID: o.ID, Bundle: o.Bundle, Config: o.Config, Rootfs: rootPath(config.Root.Path, o.Bundle), Created: time.Now().UTC(), UID: os.Geteuid(), Into: -1,
		OCIVersion: config.Version, Annotations: config.Annotations, OwnPIDs: config.ownPIDs(), NoNewKeyring: o.NoNewKeyring, Idle: len(config.Process.Args) == 0}
	if h := config.Hooks; h != nil {
		r.Poststart, r.Poststop = len(h.Poststart) > 0, len(h.Poststop) > 0
	}
	return r
}

// encode is the record as JSON, an object in a line.
func (r *record) encode() []byte {
	b := append(make([]byte, 0, 1024), `{"version":`...)
	b = strconv.AppendInt(b, recordVersion, 10)
	text := func(name, s string) {
		b = append(append(append(append(b, ',', '"'), name...), `":`...), quoteJSON(s)...)
	}
	number := func(name string, n uint64) {
		b = strconv.AppendUint(append(append(append(b, ',', '"'), name...), `":`...), n, 10)
	}
	flag := func(name string, is bool) {
		if is {
			b = append(append(append(b, ',', '"'), name...), `":true`...)
		}
	}
	text("id", r.ID)
	number("pid", uint64(r.PID))
	number("startTime", r.StartTime)
	text("bootId", r.BootID)
	text("bundle", r.Bundle)
	text("config", r.Config)
	text("rootfs", r.Rootfs)
	text("created", r.Created.Format(time.RFC3339Nano))
	number("uid", uint64(r.UID))
	text("ociVersion", r.OCIVersion)
	flag("ownPids", r.OwnPIDs)
	flag("poststart", r.Poststart)
	flag("poststop", r.Poststop)
	flag("noNewKeyring", r.NoNewKeyring)
	flag("idle", r.Idle)
	if len(r.Annotations) > 0 {
		b = append(b, `,"annotations":`...)
		sep := byte('{')
		for _, key := range slices.Sorted(maps.Keys(r.Annotations)) {
			b = append(append(b, sep), quoteJSON(key)...)
			b = append(append(b, ':'), quoteJSON(r.Annotations[key])...)
			sep = ','
		}
		b = append(b, '}')
	}
	b = append(b, `,"into":`...)
	b = strconv.AppendInt(b, int64(r.Into), 10)
	b = append(b, `,"cgroups":[`...)
	for i, dir := range r.Cgroups {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, quoteJSON(dir)...)
	}
	return append(b, "]}\n"...)
}

// decode reads what encode has written; errForeign is what runc has.
func (r *record) decode(b []byte) error {
	c, theirs := newCursor(b), false
	err := c.document(func() {
		c.object(func(name string) {
			switch name {
			case "version":
				r.Version = int(c.uint(math.MaxInt32))
			case "id":
				r.ID = c.string()
			case "pid":
				r.PID = int(c.uint(math.MaxInt32))
			case "startTime":
				r.StartTime = c.uint(math.MaxUint64)
			case "bootId":
				r.BootID = c.string()
			case "bundle":
				r.Bundle = c.string()
			case "config":
				r.Config = c.string()
			case "rootfs":
				r.Rootfs = c.string()
			case "created":
				var err error
				if r.Created, err = time.Parse(time.RFC3339Nano, c.string()); err != nil {
					c.fail("no time")
				}
			case "uid":
				r.UID = int(c.uint(maxID))
			case "ociVersion":
				r.OCIVersion = c.string()
			case "ownPids":
				r.OwnPIDs = c.bool()
			case "poststart":
				r.Poststart = c.bool()
			case "poststop":
				r.Poststop = c.bool()
			case "noNewKeyring":
				r.NoNewKeyring = c.bool()
			case "idle":
				r.Idle = c.bool()
			case "annotations":
				r.Annotations = c.texts()
			case "into":
				r.Into = int(c.int(-1, math.MaxInt32))
			case "cgroups":
				r.Cgroups = c.strings()
			case "init_process_pid":
				theirs = true
				c.skip()
			default:
				c.skip()
			}
		}, "version")
	})
	if theirs {
		return errForeign
	}
	return inFile(stateFile, err)
}

// quoteJSON is s as a JSON string.
func quoteJSON(s string) string {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' || s[i] > '~' {
			b, err := json.Marshal(s)
			if err != nil {
				panic(err) // strings always marshal
			}
			return string(b)
		}
	}
	return `"` + s + `"`
}
