// SPDX-License-Identifier: Apache-2.0

package cgroups

import "strings"

// What a file says, compared with a row of it.

func (r *Row) isDevices() bool { return r.Devices != nil || r.Controller == "devices" }

// isLimit reports whether the row is the memory limit.
func (r *Row) isLimit() bool {
	return r.Controller == "memory" && (r.File == "memory.limit_in_bytes" || r.File == "memory.max")
}

// subject is what a line of a file with several is about: a disk, with what is
// limited of it, an interface, an adapter; "" where the file has one value.
func (r *Row) subject() string {
	words := strings.Fields(r.Value)
	switch {
	case len(words) < 2 || r.ReadBack != Line && !strings.Contains(words[0], ":"):
		return ""
	case len(words) == 2:
		key, _, has := strings.Cut(words[1], "=")
		if has {
			return words[0] + " " + key
		}
	}
	return words[0]
}

func (r *Row) sameSubject(other *Row) bool {
	return r.Dir == other.Dir && r.File == other.File && r.ReadBack != AtMost && other.ReadBack != AtMost && r.subject() == other.subject()
}

// inForce reports whether the file says what the row would write.
func (r *Row) inForce(dir int, text string) bool {
	words := strings.Fields(r.Value)
	switch {
	case r.ReadBack == List && strings.TrimSpace(text) == "": // what the cgroup above has, now
		return false
	case r.ReadBack != NoReadBack:
		return r.compare(dir, strings.TrimSpace(text)) == nil
	case r.File == "memory.oom_control":
		return hasLine(text, []string{"oom_kill_disable", r.Value})
	case r.subject() != "" && (words[1] == "0" || strings.HasSuffix(words[1], "=max")):
		return !hasLine(text, words[:1]) || hasLine(text, words) // no limit is no line
	}
	return strings.TrimSpace(text) == r.Value
}

// before is what to write for the file to say text again, as far as the row
// changes it; ok is false if that cannot be told.
func (r *Row) before(text string) (value string, ok bool) {
	if r.File == "memory.oom_control" {
		text, _, _ = strings.Cut(strings.TrimPrefix(text, "oom_kill_disable "), "\n")
		return text, true
	}
	if r.subject() == "" {
		text = strings.TrimSpace(text)
		if text == "" {
			text = "\n" // a cpuset on v2; an empty write would be none
		}
		return text, !strings.Contains(strings.TrimSpace(text), "\n")
	}
	who := strings.Fields(r.Value)[0]
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == who {
			return strings.TrimSpace(line), true
		}
	}
	switch r.File {
	case "io.max":
		return who + " rbps=max wbps=max riops=max wiops=max", true
	case "io.weight", "io.bfq.weight":
		return who + " default", true
	case "rdma.max":
		return who + " hca_handle=max hca_object=max", true
	}
	return who + " 0", true
}
