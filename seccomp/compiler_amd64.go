// SPDX-License-Identifier: Apache-2.0

package seccomp

import "embed"

// carried has compiler_amd64.elf if `make -C seccomp/compiler` has built it.
// The pattern also matches this file, so that corten builds without.
//
//go:embed compiler_amd64.*
var carried embed.FS

const carriedName = "compiler_amd64.elf"
