// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// fields are limits by the names of their fields in linux.resources.
type fields map[string]int64

// kernelFile is where a field can be read.
var kernelFile = map[string]string{
	"memory.limit": "memory.limit_in_bytes", "memory.swap": "memory.memsw.limit_in_bytes", "memory.reservation": "memory.soft_limit_in_bytes",
	"memory.swappiness": "memory.swappiness", "cpu.shares": "cpu.shares", "cpu.quota": "cpu.cfs_quota_us", "cpu.period": "cpu.cfs_period_us",
	"cpu.burst": "cpu.cfs_burst_us", "cpu.idle": "cpu.idle", "pids.limit": "pids.max", "huge": "hugetlb.2MB.max", "huge.rsvd": "hugetlb.2MB.rsvd.max",
}

// kernel reads all fields.
func kernel(t *testing.T, b *bundle.Bundle) fields {
	t.Helper()
	f := fields{}
	names := []string{}
	for _, file := range kernelFile {
		names = append(names, file)
	}
	texts := inForce(t, b, names...)
	for name, file := range kernelFile {
		if texts[file] == "" {
			continue
		}
		n, err := strconv.ParseInt(texts[file], 10, 64)
		if texts[file] == "max" || n == 9223372036854771712 {
			n, err = -1, nil
		}
		if err != nil {
			t.Fatalf("%s is %q", file, texts[file])
		}
		f[name] = n
	}
	return f
}

// any1 is one of the values.
func any1(r *rand.Rand, values ...int64) int64 { return values[r.IntN(len(values))] }

// change draws a few fields and values, not all of which the kernel takes.
func (f fields) change(r *rand.Rand) fields {
	const mb = 1 << 20
	draw := map[string]func() int64{
		"memory.limit":       func() int64 { return any1(r, 8*mb, 16*mb, 64*mb, 256*mb, -1) },
		"memory.swap":        func() int64 { return any1(r, 8*mb, 32*mb, 64*mb, 512*mb, -1) },
		"memory.reservation": func() int64 { return any1(r, 4*mb, 8*mb, -1) },
		"memory.swappiness":  func() int64 { return any1(r, 0, 1, 60, 100) },
		"cpu.shares":         func() int64 { return any1(r, 2, 100, 1024, 262144) },
		"cpu.quota":          func() int64 { return any1(r, 1000, 5000, 50000, 200000, -1) },
		"cpu.period":         func() int64 { return any1(r, 1000, 50000, 100000, 1000000, 7) },
		"cpu.burst":          func() int64 { return any1(r, 0, 500, 5000, 100000) },
		"cpu.idle":           func() int64 { return any1(r, 0, 0, 1) },
		"pids.limit":         func() int64 { return any1(r, 20, 100, -1) },
		"huge":               func() int64 { return any1(r, 0, 2*mb, 64*mb) },
	}
	c := fields{}
	for range 1 + r.IntN(4) {
		names := []string{}
		for name := range f {
			if draw[name] != nil {
				names = append(names, name)
			}
		}
		name := names[r.IntN(len(names))]
		c[name] = draw[name]()
	}
	return c
}

// text is c as linux.resources.
func (c fields) text() string {
	sections := map[string]any{}
	for name, n := range c {
		section, field, has := strings.Cut(name, ".")
		if !has {
			sections["hugepageLimits"] = []map[string]any{{"pageSize": "2MB", "limit": n}}
			continue
		}
		if sections[section] == nil {
			sections[section] = fields{}
		}
		sections[section].(fields)[field] = n
	}
	text, err := json.Marshal(sections)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// after is what the fields are after c, and whether c is possible. spec is what
// has been asked for so far, which decides what a swap limit is compared with.
func (f fields) after(c, spec fields) (after, asked fields, possible bool) {
	after, asked = maps.Clone(f), maps.Clone(spec)
	maps.Copy(after, c)
	maps.Copy(asked, c)
	_, swap := c["memory.swap"]
	if limit, there := c["memory.limit"]; there && limit == -1 && !swap {
		after["memory.swap"] = -1
		delete(asked, "memory.swap")
	}
	limit, swapped := asked["memory.limit"], asked["memory.swap"]
	possible = !(swapped > 0 && (limit <= 0 || swapped < limit))
	idle, idleGiven := c["cpu.idle"]
	_, shares := c["cpu.shares"]
	switch {
	case idleGiven && idle == 1:
		after["cpu.shares"] = 3 // the weight of the idle
		delete(asked, "cpu.shares")
		if f["cpu.idle"] == 1 && shares {
			after["cpu.shares"] = f["cpu.shares"]
		}
	case idleGiven && f["cpu.idle"] == 1 && !shares:
		after["cpu.shares"] = 1024
	case shares && !idleGiven && f["cpu.idle"] == 1:
		possible = false
	}
	if q := after["cpu.quota"]; q > 0 && after["cpu.burst"] > q || after["cpu.period"] < 1000 {
		possible = false
	}
	if huge, there := c["huge"]; there {
		after["huge.rsvd"] = huge
	}
	return after, asked, possible
}

// CORTEN_SEED chooses another sequence. Now and then an update is killed: the
// limits of the next one, and after it, are those before or those asked for.
func TestAfterAnySequenceOfUpdatesTheKernelHasTheLastLimits(t *testing.T) {
	hasAll(t, "memory", "cpu", "pids")
	b := limited(t, bundle.Host, specs.LinuxResources{})
	b.Detach()
	updates(t, b, func(fields) string { return "" })
}

// So it is when systemd, which rounds and knows not all of them, writes too:
// and its own view of the unit is the same.
func TestAfterAnySequenceOfUpdatesSystemdHasTheLastLimits(t *testing.T) {
	needSystemd(t)
	hasAll(t, "memory", "cpu", "pids")
	b, unit := systemdBundle(t)
	b.Corten("--systemd-cgroup", "run", "--detach", "--bundle", b.Dir, b.ID).OK(b)
	updates(t, b, func(spec fields) string { return unitDiffers(t, b, unit, spec) })
}

// updates is 200 random steps, or $CORTEN_STEPS; differs says what is not as in the fields that
// have been asked for.
func updates(t *testing.T, b *bundle.Bundle, differs func(spec fields) string) {
	seed, _ := strconv.ParseUint(os.Getenv("CORTEN_SEED"), 10, 64)
	r := rand.New(rand.NewPCG(seed, 1))
	is, spec := kernel(t, b), fields{}
	steps, err := strconv.Atoi(os.Getenv("CORTEN_STEPS"))
	if err != nil {
		steps = 200
	}
	accepted, killed := 0, 0
	for step := range steps {
		c := is.change(r)
		want, asked, possible := is.after(c, spec)
		text := c.text()
		if r.IntN(5) == 0 {
			p := b.Begin(bundle.Options{Stdin: strings.NewReader(text)}, "update", "--resources=-", b.ID)
			time.Sleep(bundle.Slow(time.Duration(r.IntN(8000)) * time.Microsecond))
			p.Cmd.Process.Signal(syscall.SIGKILL)
			if p.Wait().Status == 137 {
				killed++
				update(b, "{}").OK(b)
				if got := kernel(t, b); maps.Equal(got, is) {
					want, asked = is, spec
				}
			} else if !possible {
				want, asked = is, spec
			}
		} else if result := update(b, text); possible != (result.Status == 0) {
			t.Fatalf("seed %d, step %d: %v of %v, possible %v: status %d %s", seed, step, text, is, possible, result.Status, result.Stderr)
		} else if !possible {
			want, asked = is, spec
		} else {
			accepted++
		}
		if got := kernel(t, b); !maps.Equal(got, want) {
			t.Fatalf("seed %d, step %d: after %s the kernel has\n%v, want\n%v, had\n%v", seed, step, text, got, want, is)
		}
		if text := differs(asked); text != "" {
			t.Fatalf("seed %d, step %d: after %s %s", seed, step, c.text(), text)
		}
		is, spec = want, asked
	}
	t.Log(fmt.Sprint(accepted, " accepted, ", killed, " killed"))
}

// unitDiffers says which of the unit's properties is not what spec asks for.
func unitDiffers(t *testing.T, b *bundle.Bundle, unit string, spec fields) string {
	t.Helper()
	_, v2 := b.View.Has("memory")
	want := map[string]string{}
	limit := func(field, property string) {
		if n, asked := spec[field]; asked && n > 0 {
			want[property] = fmt.Sprint(n)
		} else if asked && n < 0 {
			want[property] = "infinity"
		}
	}
	limit("pids.limit", "TasksMax")
	if v2 {
		limit("memory.limit", "MemoryMax")
		limit("memory.reservation", "MemoryLow")
		if spec["memory.swap"] > 0 {
			want["MemorySwapMax"] = fmt.Sprint(spec["memory.swap"] - spec["memory.limit"])
		}
		if n := spec["cpu.shares"]; n > 0 {
			want["CPUWeight"] = map[int64]string{2: "1", 100: "17", 1024: "100", 262144: "10000"}[n]
		}
		if spec["cpu.idle"] == 1 {
			want["CPUWeight"] = "idle"
		}
	} else {
		limit("memory.limit", "MemoryLimit")
		limit("cpu.shares", "CPUShares")
	}
	quota, period := spec["cpu.quota"], max(spec["cpu.period"], 1)
	if spec["cpu.period"] == 0 {
		period = 100000
	} else {
		want["CPUQuotaPeriodUSec"] = (time.Duration(period) * time.Microsecond).String()
	}
	if quota > 0 { // in whole percents, at least what is asked for
		want["CPUQuotaPerSecUSec"] = (time.Duration(quota)*time.Second/time.Duration(period) + 10*time.Millisecond - 1).Truncate(10 * time.Millisecond).String()
	} else if quota < 0 {
		want["CPUQuotaPerSecUSec"] = "infinity"
	}
	words := []string{"show", unit}
	for property := range want {
		words = append(words, "-p", property)
	}
	if len(want) == 0 {
		return ""
	}
	for line := range strings.Lines(systemctl(t, words...)) {
		name, got, _ := strings.Cut(strings.TrimSpace(line), "=")
		if span, err := time.ParseDuration(strings.ReplaceAll(strings.ReplaceAll(got, "min", "m"), " ", "")); err == nil && strings.HasSuffix(name, "USec") {
			got = span.String()
		}
		if got != want[name] {
			return fmt.Sprintf("%s of the unit is %s, want %s: %v", name, got, want[name], spec)
		}
	}
	return ""
}
