// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

func TestPlanNamesTheFieldOfEachStepAndDoesNothing(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.NewEmpty(t)
	b.Corten("spec", "--bundle", b.Dir).OK(b)
	text := b.Corten("plan", "--bundle", b.Dir).OK(b).Stdout
	for _, want := range []string{"move_mount", "pivot_root", "execve", "/process/args", "/mounts/0", "/linux/maskedPaths/0", "/hostname"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the plan", want)
		}
	}
	if left := b.Leaks(); len(left) > 0 {
		t.Errorf("plan left %q", left)
	}
	if entries, _ := os.ReadDir(b.Rootfs("dev")); len(entries) > 0 {
		t.Error("plan changed the rootfs")
	}
	if again := b.Corten("plan", "--bundle", b.Dir).OK(b).Stdout; again != text {
		t.Error("two plans of one configuration differ")
	}
	if out := b.Corten("plan", "--bundle", b.Dir, "--json").OK(b).Stdout; !json.Valid([]byte(out)) {
		t.Errorf("plan --json is no JSON: %.200q", out)
	}
}

func TestSpecWritesTheBaseConfigurationOnce(t *testing.T) {
	b := bundle.NewEmpty(t)
	b.Corten("spec", "--bundle", b.Dir).OK(b)
	refused(t, b.Corten("spec", "--bundle", b.Dir), "config.json exists. Remove it first")
	var got specs.Spec
	if err := json.Unmarshal([]byte(b.Raw(b.Dir+"/config.json")), &got); err != nil {
		t.Fatal(err)
	}
	want := bundle.Base()
	if !got.Process.Terminal || !got.Root.Readonly || got.Root.Path != want.Root.Path || len(got.Mounts) != len(want.Mounts) {
		t.Errorf("%+v", got)
	}
	for i, m := range want.Mounts {
		if i < len(got.Mounts) && (got.Mounts[i].Destination != m.Destination || got.Mounts[i].Type != m.Type) {
			t.Errorf("mount %d is %+v, want %+v", i, got.Mounts[i], m)
		}
	}
}

func TestFeaturesIsJSONAndSilent(t *testing.T) {
	bundle.NeedCorten(t)
	b := bundle.NewEmpty(t)
	r := b.Corten("features").OK(b)
	var f struct {
		OCIVersionMin, OCIVersionMax string
		Hooks, MountOptions          []string
		Linux                        struct{ Namespaces, Capabilities []string }
	}
	if err := json.Unmarshal([]byte(r.Stdout), &f); err != nil || r.Stderr != "" {
		t.Fatalf("%v, stderr %q", err, r.Stderr)
	}
	if f.OCIVersionMin != "1.0.0" || f.OCIVersionMax == "" || len(f.Linux.Namespaces) == 0 || len(f.MountOptions) == 0 {
		t.Errorf("%+v", f)
	}
}
