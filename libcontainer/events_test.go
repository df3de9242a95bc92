// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"encoding/json"
	"os"
	"slices"
	"testing"
	"testing/fstest"
)

func TestInterfacesAreThoseOfTheNamespaceButLo(t *testing.T) {
	entries, err := os.ReadDir("/sys/class/net")
	if err != nil {
		t.Skip(err)
	}
	var want, got []string
	for _, e := range entries {
		if _, err := os.Stat("/sys/class/net/" + e.Name() + "/mtu"); err == nil && e.Name() != "lo" {
			want = append(want, e.Name())
		}
	}
	for _, i := range interfaces(os.Getpid()) {
		got = append(got, i.Name)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRdtStatsHaveRuncsNames(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	root := fstest.MapFS{
		"info/L3/cbm_mask": file("7ff\n"), "info/L3/min_cbm_bits": file("1\n"), "info/L3/num_closids": file("16\n"),
		"info/MB/bandwidth_gran": file("10\n"), "info/MB/delay_linear": file("1\n"), "info/MB/min_bandwidth": file("10\n"), "info/MB/num_closids": file("8\n"),
		"info/L3_MON/mon_features":                 file("llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n"),
		"schemata":                                 file("    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"),
		"box/schemata":                             file("    MB:0=20;1=70\n    L3:0=7f0;1=1f\n"),
		"box/mon_data/mon_L3_00/llc_occupancy":     file("123\n"),
		"box/mon_data/mon_L3_00/mbm_total_bytes":   file("5\n"),
		"box/mon_data/mon_L3_00/mbm_local_bytes":   file("4\n"),
		"other/mon_data/mon_L3_00/mbm_local_bytes": file("9\n"),
	}
	const want = `{"l3_cache_info":{"cbm_mask":"7ff","min_cbm_bits":1,"num_closids":16},"l3_cache_schema_root":"L3:0=7ff;1=7ff","l3_cache_schema":"L3:0=7f0;1=1f",` +
		`"mem_bw_info":{"bandwidth_gran":10,"delay_linear":1,"min_bandwidth":10,"num_closids":8},"mem_bw_schema_root":"MB:0=100;1=100","mem_bw_schema":"MB:0=20;1=70",` +
		`"mbm_stats":[{"mbm_total_bytes":5,"mbm_local_bytes":4}],"cmt_stats":[{"llc_occupancy":123}]}`
	if got, err := json.Marshal(readRdt(root, "box", "box")); string(got) != want || err != nil {
		t.Errorf("%v: %s", err, got)
	}
	if got, _ := json.Marshal(readRdt(fstest.MapFS{}, "box", "")); string(got) != "{}" {
		t.Errorf("without any: %s", got)
	}
}
