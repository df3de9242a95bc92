// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// RdtStats is a container's share of caches and memory bandwidth, with runc's
// names (types/events.go).
type RdtStats struct {
	L3CacheInfo       *L3CacheInfo `json:"l3_cache_info,omitempty"`
	L3CacheSchemaRoot string       `json:"l3_cache_schema_root,omitempty"`
	L3CacheSchema     string       `json:"l3_cache_schema,omitempty"`
	MemBwInfo         *MemBwInfo   `json:"mem_bw_info,omitempty"`
	MemBwSchemaRoot   string       `json:"mem_bw_schema_root,omitempty"`
	MemBwSchema       string       `json:"mem_bw_schema,omitempty"`
	MBM               []MBMStats   `json:"mbm_stats,omitempty"`
	CMT               []CMTStats   `json:"cmt_stats,omitempty"`
}

// L3CacheInfo is what the cache can be divided into.
type L3CacheInfo struct {
	CbmMask    string `json:"cbm_mask,omitempty"`
	MinCbmBits uint64 `json:"min_cbm_bits,omitempty"`
	NumClosids uint64 `json:"num_closids,omitempty"`
}

// MemBwInfo is what the bandwidth can be divided into.
type MemBwInfo struct {
	BandwidthGran uint64 `json:"bandwidth_gran,omitempty"`
	DelayLinear   uint64 `json:"delay_linear,omitempty"`
	MinBandwidth  uint64 `json:"min_bandwidth,omitempty"`
	NumClosids    uint64 `json:"num_closids,omitempty"`
}

// MBMStats is the memory traffic of one domain, in bytes.
type MBMStats struct {
	Total uint64 `json:"mbm_total_bytes"`
	Local uint64 `json:"mbm_local_bytes"`
}

// CMTStats is what one domain's cache holds, in bytes.
type CMTStats struct {
	Occupancy uint64 `json:"llc_occupancy"`
}

func rdtStats(rdt *specs.LinuxIntelRdt, id string) (RdtStats, error) {
	dir, err := openResctrl()
	if err != nil {
		return RdtStats{}, err
	}
	defer dir.Close()
	group, monitor := resctrlGroup(rdt, id)
	if monitor == "" && group != "." {
		monitor = group // a group of its own counts too
	}
	return readRdt(os.DirFS(dir.Name()), group, monitor), nil
}

// readRdt reads a resctrl file system (Documentation/filesystems/resctrl.rst).
// What the processor does not have is not there.
func readRdt(root fs.FS, group, monitor string) (s RdtStats) {
	text := func(name ...string) string {
		b, _ := fs.ReadFile(root, path.Join(name...))
		return strings.TrimSpace(string(b))
	}
	number := func(name ...string) uint64 {
		n, _ := strconv.ParseUint(text(name...), 10, 64)
		return n
	}
	if mask := text("info/L3/cbm_mask"); mask != "" {
		s.L3CacheInfo = &L3CacheInfo{mask, number("info/L3/min_cbm_bits"), number("info/L3/num_closids")}
		s.L3CacheSchemaRoot, s.L3CacheSchema = schemaOf(text("schemata"), "L3:"), schemaOf(text(group, "schemata"), "L3:")
	}
	if n := number("info/MB/num_closids"); n != 0 {
		s.MemBwInfo = &MemBwInfo{number("info/MB/bandwidth_gran"), number("info/MB/delay_linear"), number("info/MB/min_bandwidth"), n}
		s.MemBwSchemaRoot, s.MemBwSchema = schemaOf(text("schemata"), "MB:"), schemaOf(text(group, "schemata"), "MB:")
	}
	if monitor == "" {
		return s
	}
	domains, _ := fs.ReadDir(root, path.Join(monitor, "mon_data"))
	features := " " + strings.ReplaceAll(text("info/L3_MON/mon_features"), "\n", " ") + " "
	for _, d := range domains {
		at := path.Join(monitor, "mon_data", d.Name())
		if strings.Contains(features, " mbm_total_bytes ") || strings.Contains(features, " mbm_local_bytes ") {
			s.MBM = append(s.MBM, MBMStats{number(at, "mbm_total_bytes"), number(at, "mbm_local_bytes")})
		}
		if strings.Contains(features, " llc_occupancy ") {
			s.CMT = append(s.CMT, CMTStats{number(at, "llc_occupancy")})
		}
	}
	return s
}

// schemaOf is the line of a resource.
func schemaOf(schemata, resource string) string {
	for line := range strings.Lines(schemata) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, resource) {
			return line
		}
	}
	return ""
}
