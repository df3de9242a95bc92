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
// any privilege. The runtime is copied to where he can reach it.
func (b *Bundle) AsUser() {
	b.t.Helper()
	text, err := os.ReadFile(Runtime(b.t))
	b.must(err)
	b.runtime = filepath.Join(b.Home, "corten")
	b.must(os.WriteFile(b.runtime, text, 0o755))
	b.must(filepath.WalkDir(b.Home, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, User, User)
	}))
	id := strconv.Itoa(User)
	b.as = []string{"setpriv", "--reuid=" + id, "--regid=" + id, "--clear-groups", "--inh-caps=-all", "--"}
}
