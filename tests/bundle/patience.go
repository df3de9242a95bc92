// SPDX-License-Identifier: Apache-2.0

package bundle

import "time"

// Patience is how long a test waits for something, counted by its rests. A clock
// would not do: that of a virtual machine which has been stopped for a while jumps,
// and nothing else in there has had that time.
type Patience time.Duration

// Rest takes a moment of it, and says whether any is left.
func (p *Patience) Rest(moment time.Duration) bool {
	time.Sleep(moment)
	return p.spend(moment)
}

func (p *Patience) spend(moment time.Duration) bool {
	*p -= Patience(moment)
	return *p > 0
}

// Until waits for the channel as long as there is patience.
func (p *Patience) Until(done <-chan error) bool {
	const moment = 20 * time.Millisecond
	for {
		select {
		case <-done:
			return true
		case <-time.After(moment):
			if !p.spend(moment) {
				return false
			}
		}
	}
}
