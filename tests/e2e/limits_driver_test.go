// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/tests/bundle"
)

// properties are the limits of the table in systemd's words, on v1 and v2. It
// has none for the others.
var properties = map[string][2]string{
	"memory/limit":        {"MemoryLimit=67108864", "MemoryMax=67108864"},
	"memory/reservation":  {"", "MemoryLow=16777216"},
	"memory/swap":         {"MemoryLimit=67108864", "MemorySwapMax=33554432"},
	"cpu/shares":          {"CPUShares=512", "CPUWeight=59"},
	"cpu/quota":           {"CPUQuotaPerSecUSec=200ms", "CPUQuotaPerSecUSec=200ms"},
	"cpu/period":          {"CPUQuotaPeriodUSec=50ms", "CPUQuotaPeriodUSec=50ms"},
	"cpu/burst":           {"CPUQuotaPerSecUSec=200ms", "CPUQuotaPerSecUSec=200ms"},
	"cpu/idle":            {"", "CPUWeight=idle"},
	"cpu/cpus":            {"", "AllowedCPUs=0"},
	"cpu/mems":            {"", "AllowedMemoryNodes=0"},
	"pids/limit":          {"TasksMax=23", "TasksMax=23"},
	"blockIO/weight":      {"BlockIOWeight=300", "IOWeight=2930"},
	"unified/memory.high": {"", "MemoryHigh=8388608"},
}

// The same over systemd, which has the limits it has a word for in its own view.
//
// spec: linux.resources.memory.limit, linux.resources.cpu.shares, linux.resources.pids.limit, linux.resources.blockIO.weight
func TestEveryLimitIsInItsFileAndInSystemdsUnit(t *testing.T) {
	needSystemd(t)
	for _, l := range limits {
		t.Run(l.field, func(t *testing.T) {
			b := bundle.New(t, bundle.Probe("pause"), func(s *specs.Spec) { l.set(s.Linux.Resources) })
			has := l.file(bundle.Host)
			l.check(t, b, has, "--systemd-cgroup")
			l.checkUnit(t, has, func(property string) string { return show(t, "corten-"+b.ID+".scope", property) })
		})
	}
}

// The same as a user without privilege, in a cgroup of his own.
//
// spec: linux.resources.memory.limit, linux.resources.cpu.shares, linux.resources.pids.limit, linux.resources.hugepageLimits[].limit
func TestEveryLimitOfAUserIsInItsFileOrAnError(t *testing.T) {
	bundle.NeedCorten(t)
	groups := bundle.Delegate(t, bundle.User)
	for _, view := range bundle.Views() {
		for _, l := range limits {
			t.Run(view.String()+"/"+l.field, func(t *testing.T) {
				b := l.ofUser(t, bundle.User)
				b.AsUser()
				b.In(groups...)
				b.View = view
				l.check(t, b, l.file(view))
			})
		}
	}
}

// The same over the user's systemd. What that has not been given is an error.
//
// spec: linux.resources.memory.limit, linux.resources.cpu.shares, linux.resources.pids.limit, linux.resources.blockIO.weight
func TestEveryLimitOfAUserIsInItsFileAndInHisSystemdsUnit(t *testing.T) {
	uid := systemdUser(t)
	if yes, unified := bundle.Host.Has("memory"); !yes || !unified {
		t.Skip("cgroup v1 is delegated to nobody")
	}
	// Of all cgroups below the user's systemd its own is always there.
	above := fmt.Sprintf("/sys/fs/cgroup/user.slice/user-%d.slice/user@%d.service", uid, uid)
	given, err := os.ReadFile(filepath.Join(above, "cgroup.controllers"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range limits {
		t.Run(l.field, func(t *testing.T) {
			b := l.ofUser(t, uid)
			b.As(uid, ofUser(uid)...)
			b.In(filepath.Join(above, "init.scope"))
			has := l.file(bundle.Host)
			if controller := filepath.Dir(has); has != "" && !slices.Contains(strings.Fields(string(given)), controller) {
				l.check(t, b, "", "--systemd-cgroup")
				t.Skipf("the user's systemd has not been given the controller %s", controller)
			}
			l.check(t, b, has, "--systemd-cgroup")
			l.checkUnit(t, has, func(property string) string { return userShow(t, uid, "corten-"+b.ID+".scope", property) })
		})
	}
}

// ofUser is a bundle of a user's with the limit.
func (l *limit) ofUser(t *testing.T, uid int) *bundle.Bundle {
	return rootless(t, bundle.Probe("pause"), mapped(uid), func(s *specs.Spec) {
		s.Linux.Resources = &specs.LinuxResources{}
		l.set(s.Linux.Resources)
	})
}

// checkUnit compares the property that systemd has for the limit.
func (l *limit) checkUnit(t *testing.T, has string, show func(property string) string) {
	t.Helper()
	version := 0
	if _, unified := bundle.Host.Has(filepath.Dir(has)); unified {
		version = 1
	}
	name, want, some := strings.Cut(properties[l.field][version], "=")
	if has == "" || !some || t.Failed() {
		return
	}
	if got := show(name); got != want {
		t.Errorf("%s is %s, want %s", name, got, want)
	}
}
