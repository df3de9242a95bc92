// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"corten/tests/bundle"
)

// Words the specification lists: an unknown one, none, and one that would break a line.
func TestEveryListOfWordsRefusesAnother(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.NewEmpty(t)
	const rule = `{"names":["read"],"action":"SCMP_ACT_ERRNO"%s}`
	for _, c := range []struct{ at, value, pointer string }{
		{"/ociVersion", `"WORD"`, ""},
		{"/process/scheduler", `{"policy":"WORD"}`, "/policy"},
		{"/process/scheduler", `{"policy":"SCHED_OTHER","flags":["WORD"]}`, "/flags/0"},
		{"/process/ioPriority", `{"class":"WORD"}`, "/class"},
		{"/process/rlimits", `[{"type":"WORD","soft":1,"hard":1}]`, "/0/type"},
		{"/process/execCPUAffinity", `{"initial":"WORD"}`, "/initial"},
		{"/process/execCPUAffinity", `{"final":"WORD"}`, "/final"},
		{"/linux/namespaces", `[{"type":"WORD"}]`, "/0/type"},
		{"/linux/devices", `[{"path":"/dev/x","type":"WORD","major":1,"minor":3}]`, "/0/type"},
		{"/linux/resources/devices", `[{"allow":true,"type":"WORD"}]`, "/0/type"},
		{"/linux/resources/devices", `[{"allow":true,"access":"WORD"}]`, "/0/access"},
		{"/linux/resources/cpu", `{"cpus":"WORD"}`, "/cpus"},
		{"/linux/resources/cpu", `{"mems":"WORD"}`, "/mems"},
		{"/linux/resources/hugepageLimits", `[{"pageSize":"WORD","limit":1}]`, "/0/pageSize"},
		{"/linux/rootfsPropagation", `"WORD"`, ""},
		{"/linux/personality", `{"domain":"WORD"}`, "/domain"},
		{"/linux/personality", `{"domain":"LINUX","flags":["WORD"]}`, "/flags/0"},
		{"/linux/memoryPolicy", `{"mode":"WORD","nodes":"0"}`, "/mode"},
		{"/linux/memoryPolicy", `{"mode":"MPOL_BIND","nodes":"0","flags":["WORD"]}`, "/flags/0"},
		{"/linux/memoryPolicy", `{"mode":"MPOL_BIND","nodes":"WORD"}`, "/nodes"},
		{"/linux/timeOffsets", `{"WORD":{"secs":1}}`, "/WORD"},
		{"/linux/sysctl", `{"WORD":"1"}`, "/WORD"},
		{"/linux/seccomp", `{"defaultAction":"WORD"}`, "/defaultAction"},
		{"/linux/seccomp", `{"defaultAction":"SCMP_ACT_ALLOW","architectures":["WORD"]}`, "/architectures/0"},
		{"/linux/seccomp", `{"defaultAction":"SCMP_ACT_ALLOW","flags":["WORD"]}`, "/flags/0"},
		{"/linux/seccomp", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"WORD"}]}`, "/syscalls/0/action"},
		{"/linux/seccomp", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[` + fmt.Sprintf(rule, `,"args":[{"index":0,"value":1,"op":"WORD"}]`) + `]}`, "/syscalls/0/args/0/op"},
	} {
		for _, word := range []string{"unknown", "", " ", "Unknown\\nword"} {
			if word == "" && slices.Contains([]string{"/initial", "/final", "/cpus", "/mems", "/nodes", "/0/access"}, c.pointer) || word == "" && slices.Contains([]string{"/linux/rootfsPropagation", "/linux/resources/devices"}, c.at) {
				continue // the same as absent
			}
			value := strings.ReplaceAll(c.value, "WORD", word)
			pointer := c.at + strings.ReplaceAll(c.pointer, "WORD", strings.ReplaceAll(word, "\\n", "?"))
			text := document(t, c.at[1:], json.RawMessage(value))
			if c.at == "/linux/timeOffsets" {
				text = bytes.Replace(text, []byte(`"namespaces":[`), []byte(`"namespaces":[{"type":"time"},`), 1)
			}
			b.WriteText(text)
			if r := b.Corten("create", "--bundle", b.Dir, b.ID); r.Status != 1 || !strings.HasPrefix(r.Stderr, "corten: config.json#"+pointer+": ") {
				t.Errorf("%s: exit status %d, stderr %q", value, r.Status, r.Stderr)
				b.Corten("delete", "--force", b.ID)
			}
			if entries, _ := os.ReadDir(b.Root); len(entries) > 0 {
				t.Errorf("%s: left %v", value, entries)
			}
		}
	}
}
