// SPDX-License-Identifier: Apache-2.0

package cve

import (
	"slices"
	"strings"
	"testing"

	"corten/tests/spec"
)

// advisories are the published faults of runc, crun, youki and their
// neighbours that lay in a runtime, or could. Those without an id are named
// after the issue of the project.
const advisories = `
	CVE-2015-3627 CVE-2015-3629 CVE-2015-3630 CVE-2015-3631 CVE-2016-3697 CVE-2016-9962 CVE-2020-14298 CVE-2019-5736
	CVE-2020-14300 CVE-2019-16884 CVE-2019-19921 GHSA-g54h-m393-cpwq CVE-2021-30465 CVE-2021-43784 CVE-2022-29162
	CVE-2022-24769 CVE-2022-27649 CVE-2022-27650 CVE-2022-27651 CVE-2022-27652 runc#4103 CVE-2023-25809 CVE-2023-27561
	CVE-2023-28642 CVE-2024-21626 CVE-2024-45310 CVE-2025-31133 CVE-2025-52565 CVE-2025-52881 CVE-2025-65105
	CVE-2025-64750 CVE-2026-41579 runc#5351 CVE-2024-3154

	CVE-2019-18837 CVE-2025-24965 CVE-2026-30892 CVE-2026-47766 CVE-2026-84042 CVE-2026-88264 CVE-2026-88265 crun#2063
	crun#2165 crun#2059 CVE-2025-27612 CVE-2025-54867 CVE-2025-62161 CVE-2025-62596

	CVE-2015-1334 CVE-2016-8649 CVE-2015-1335 CVE-2015-1331 CVE-2017-5985 CVE-2018-6556 CVE-2022-47952 CVE-2026-39402
	CVE-2016-10124 CVE-2017-5226 CVE-2026-97029 CVE-2020-5291 CVE-2026-41163 CVE-2026-87766 CVE-2026-1386 CVE-2014-8989
	CVE-2022-36109 CVE-2023-25173 CVE-2024-40635 CVE-2026-46680 CVE-2026-47262 CVE-2025-4437 CVE-2022-0811
	GHSA-w2j5-3rcx-vx7x CVE-2023-6476 CVE-2025-47291 GHSA-7ww5 CVE-2020-15257 CVE-2019-14271 CVE-2018-15664 CVE-2026-41567
	CVE-2026-41568 CVE-2026-42306 CVE-2026-55686 CVE-2026-94603 CVE-2024-23651 CVE-2024-23652 CVE-2024-5154 CVE-2023-38496
	CVE-2025-23266 CVE-2024-0132 CVE-2017-18367 CVE-2026-10722 CVE-2026-39822 CVE-2026-32282 CVE-2026-27139 CVE-2025-22873
	CVE-2021-44717 CVE-2022-29526 CVE-2025-47906 CVE-2022-0492`

// notOurs is why corten cannot have the fault.
var notOurs = map[string]string{
	"CVE-2018-15664": "a race in copying files out of a container, which corten does not do",
	"CVE-2026-41567": "in docker cp, as before",
	"CVE-2026-41568": "in docker cp, as before",
	"CVE-2026-42306": "in docker cp, as before",
	"CVE-2026-10722": "a parser of BTF, which corten has none of: its device programs are built by itself",
}

// TestEveryAdvisoryHasATest finds the ids in lines such as "cve: CVE-2019-5736"
// of the tests' doc comments.
func TestEveryAdvisoryHasATest(t *testing.T) {
	marks, err := spec.Marks("../..", "tests", "cve")
	must(t, err)
	ids := strings.Fields(advisories)
	for _, id := range ids {
		if tested := len(marks[id]) > 0; tested == (notOurs[id] != "") {
			t.Errorf("%s has the tests %v and the reason %q for none", id, marks[id], notOurs[id])
		}
	}
	for id := range marks {
		if !slices.Contains(ids, id) {
			t.Errorf("%s, of %v, is in no list of advisories", id, marks[id])
		}
	}
}
