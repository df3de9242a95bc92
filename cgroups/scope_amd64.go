// SPDX-License-Identifier: Apache-2.0

package cgroups

import "embed"

// carried has scope_amd64.elf if `make -C cgroups/scope` has built it. The
// pattern also matches this file, so that corten builds without.
//
//go:embed scope_amd64.*
var carried embed.FS

const carriedName = "scope_amd64.elf"
