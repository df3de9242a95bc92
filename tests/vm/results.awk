# SPDX-License-Identifier: Apache-2.0
#
# A line for each package of a log of suite, with the output of tests that
# failed below it, without that of their parts that did not.
#
#   awk -v machine=v2 -f results.awk FILE
function flush() { if (failed) report = report text; text = ""; failed = 0 }
/^@begin / { passed = skipped = 0; report = text = ""; failed = 0; open = $2; next }
/^@end / {
	flush()
	if ($3 && report == "") report = last
	printf "%-4s  %-8s %-10s %5d s  %d passed, %d skipped\n", $3 ? "FAIL" : "ok", machine, $2, $4, passed, skipped
	if ($3) { printf "%s", report; bad = 1 }
	open = ""; next
}
/^@machine / { printf "FAIL  %-13s %s the machine ended with %s, see %s\n", machine, open, $2, FILENAME; bad = 1; next }
/^=== RUN +[^\/]*$/ { flush() }
/^--- PASS/ { passed++ }
/^--- SKIP/ { skipped++ }
/^--- FAIL/ { failed = 1 }
!/^===|^ +--- PASS|^ +--- SKIP/ { text = text "    " $0 "\n"; last = substr(last "    " $0 "\n", length(last) > 4000 ? 1000 : 1) }
END { exit bad }
