// SPDX-License-Identifier: Apache-2.0

package e2e

import "strconv"

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// repeat is an id as /proc/self/status shows it four times.
func repeat(id uint32) string {
	d := decimal(id)
	return d + " " + d + " " + d + " " + d
}
