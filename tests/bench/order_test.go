// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestEachComesAsOftenAfterEachOther(t *testing.T) {
	for n := 1; n <= 6; n++ {
		after := map[[2]int]int{}
		for round := range 2 * n {
			list := order(n, round)
			seen := map[int]bool{}
			for i, c := range list {
				seen[c] = true
				if i > 0 {
					after[[2]int{list[i-1], c}]++
				}
			}
			if len(seen) != n {
				t.Errorf("of %d, round %d: %v", n, round, list)
			}
		}
		for pair, times := range after {
			if times != 2 {
				t.Errorf("of %d: %d comes %d times after %d", n, pair[1], times, pair[0])
			}
		}
	}
}
