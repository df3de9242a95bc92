// SPDX-License-Identifier: Apache-2.0

package nsenter

import _ "embed"

//go:embed executor_arm64.elf
var image []byte
