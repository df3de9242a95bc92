// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/seccomp"
)

// printVersion has runc's lines, or crun's, which engines parse.
func printVersion() error {
	text := self.name + " version " + self.version() + "\n"
	if commit != "" {
		text += "commit: " + commit + "\n"
	}
	if self.name == "crun" {
		text += "rundir: " + defaultRoot() + "\nspec: 1.0.0\n+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF\n"
	} else {
		text += "spec: " + specs.Version + "\ngo: " + runtime.Version() + "\n"
		if v := seccomp.Version(); v != "" {
			text += "libseccomp: " + v + "\n"
		}
	}
	_, err := os.Stdout.WriteString(text)
	return err
}
