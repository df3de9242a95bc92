// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestAmountsAreWrittenAsDockerHasThem(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-1": -1, "512": 512, "512b": 512, "1k": 1 << 10, "1K": 1 << 10, "32kB": 32 << 10, "64KiB": 64 << 10, "512 MB": 512 << 20,
		"1.5g": 3 << 29, "2GiB": 2 << 30, "1t": 1 << 40, "1p": 1 << 50, "9223372036854771712": 9223372036854771712, "0.5m": 1 << 19,
	} {
		var got *int64
		if err := amountOf(&got, text); err != nil || *got != want {
			t.Errorf("%s: %v, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-2", "-1k", "1x", "1e3", "0x10", "1_000", "9223372036854775808", "9p9", "99999999p", "inf", "nan", "k", "+-1", "1kk", "--1"} {
		var got *int64
		if err := amountOf(&got, text); err == nil {
			t.Errorf("%s is %d", text, *got)
		}
	}
}
