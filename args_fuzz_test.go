// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// FuzzArguments: sorting the words of a command loses none, invents none, and
// gives no word of a user's command to the runtime.
func FuzzArguments(f *testing.F) {
	for _, seed := range []string{"kill x 9 --all", "exec -t x -- ls -l", "run x --bundle", "update -r - x", "exec --env=a=b -e c x ls -e d", "ps x -ef", "list -q --format=json -- x"} {
		f.Add(strings.ReplaceAll(seed, " ", "\n"))
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Split(text, "\n")
		var command *cli.Command
		for _, c := range commands {
			if c.name == words[0] {
				command = c.define()
			}
		}
		if command == nil {
			return
		}
		flags, operands := arrange(words, command.Flags)
		want := slices.Clone(words[1:])
		if len(flags)+len(operands) < len(want) { // the -- that parts them is no word of either
			i := slices.Index(want, "--")
			if i < 0 {
				t.Fatalf("%q: %q and %q", words, flags, operands)
			}
			want = slices.Delete(want, i, i+1)
		}
		got := slices.Concat(flags, operands)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%q: %q and %q", words, flags, operands)
		}
		if words[0] == "exec" && len(operands) > 0 && !strings.HasSuffix(text, strings.Join(operands, "\n")) {
			t.Fatalf("%q: %q", words, operands)
		}
		if c, err := parse(cli.NewContext(nil, nil, nil), command, flags, operands); err == nil && !slices.Equal(c.Args().Slice(), operands) {
			t.Fatalf("%q: the command gets %q, not %q", words, c.Args().Slice(), operands)
		}
	})
}
