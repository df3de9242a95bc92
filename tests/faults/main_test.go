// SPDX-License-Identifier: Apache-2.0

// Package faults breaks every command at every system call that it or its
// executor makes, and looks for what that leaves behind.
//
//	CORTEN_FAULTS=all       every point, not a sample of them
//	CORTEN_FAULTS=REGEX     the points whose names match, such as `^create runtime KILL `
//	CORTEN_FAULTS_PART=I/N  only the I-th of N parts, from 0
package faults

import (
	"testing"

	"corten/tests/bundle"
)

func TestMain(m *testing.M) { bundle.Main(m) }
