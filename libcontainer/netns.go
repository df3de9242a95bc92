// SPDX-License-Identifier: Apache-2.0

package libcontainer

import specs "github.com/opencontainers/runtime-spec/specs-go"

// makesNetwork says whether the container gets a new network namespace, and no
// user namespace, which would own it.
func makesNetwork(l *specs.Linux) bool {
	ns := namespaceOf(l, specs.NetworkNamespace)
	return ns != nil && ns.Path == "" && namespaceOf(l, specs.UserNamespace) == nil
}
