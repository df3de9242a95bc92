// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"corten/tests/spec"
)

// fields hides every field of config.json from corten and runs the tests that
// are marked with it.
func (m *mutation) fields() error {
	corten, err := filepath.Abs("corten")
	if err != nil {
		return err
	}
	// Tests that the wrapper itself disturbs prove nothing.
	wrapper, err := m.wrapper("-", corten)
	if err != nil {
		return err
	}
	disturbed := map[string][]string{}
	for _, suite := range suites {
		disturbed[suite] = m.failing(suite, wrapper, ".")
	}
	for _, field := range spec.Fields() {
		if !m.want.MatchString(field) {
			continue
		}
		if wrapper, err = m.wrapper(field, corten); err != nil {
			return err
		}
		m.verdict(field, m.noticed(wrapper, m.marks[field], disturbed))
	}
	return nil
}

// noticed is the first of the tests that fails with the runtime.
func (m *mutation) noticed(runtime string, tests []spec.Test, disturbed map[string][]string) string {
	for _, suite := range suites {
		var names []string
		for _, t := range tests {
			if t.Dir == suite && !slices.Contains(disturbed[suite], t.Name) {
				names = append(names, t.Name)
			}
		}
		if names == nil {
			continue
		}
		if failed := m.failing(suite, runtime, "^("+strings.Join(names, "|")+")$", "-test.failfast"); failed != nil {
			return failed[0]
		}
	}
	return ""
}

// wrapper writes a program that takes a field out of every config.json before
// corten sees it. It is called corten, so that no test takes it for a peer.
func (m *mutation) wrapper(field, corten string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(m.dir, "corten")
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' strip '%s' '%s' \"$@\"\n", self, field, corten)
	// Another file each time: a running script cannot be written.
	if err := os.WriteFile(path+".new", []byte(script), 0o755); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}
