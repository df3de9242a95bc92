// SPDX-License-Identifier: Apache-2.0

package bundle

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// User is the number of the user and group that AsUser makes the caller:
// daemon, which every distribution has and who owns nothing.
const User = 1

// AsUser gives the bundle to User, who runs the runtime from here on, without
// any privilege.
func (b *Bundle) AsUser() { b.t.Helper(); b.As(User, Become(User)...) }

// Become is the words that run the rest of a command line as a user.
func Become(uid int) []string {
	id := strconv.Itoa(uid)
	return []string{"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups", "--inh-caps=-all", "--"}
}

// As gives the bundle to a user; the words, before the runtime's path, are what
// makes him run it. The runtime is copied to where he can reach it.
func (b *Bundle) As(uid int, words ...string) {
	b.t.Helper()
	text, err := os.ReadFile(Runtime(b.t))
	b.must(err)
	b.runtime = filepath.Join(b.Home, "corten")
	b.must(os.WriteFile(b.runtime, text, 0o755))
	b.must(filepath.WalkDir(b.Home, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	}))
	b.as = words
}
