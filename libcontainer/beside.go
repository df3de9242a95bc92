// SPDX-License-Identifier: Apache-2.0

package libcontainer

import "corten/signals"

// beside runs f while the caller goes on.
func beside(f func()) {
	signals.Processors(2)
	go f()
}
