// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"runtime"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/seccomp"
)

// printVersion has runc's lines, which engines parse.
func printVersion() error {
	text := "corten version " + version + "\n"
	if commit != "" {
		text += "commit: " + commit + "\n"
	}
	text += "spec: " + specs.Version + "\ngo: " + runtime.Version() + "\n"
	if v := seccomp.Version(); v != "" {
		text += "libseccomp: " + v + "\n"
	}
	_, err := os.Stdout.WriteString(text)
	return err
}
