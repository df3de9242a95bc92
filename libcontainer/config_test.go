// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"bytes"
	"os"
	"testing"
)

func BenchmarkDecodeSpec(b *testing.B) {
	documents := map[string][]byte{}
	documents["spec"], _ = SpecJSON(false)
	for _, engine := range []string{"docker", "podman", "containerd"} {
		raw, err := os.ReadFile("../tests/data/" + engine + "/config.json")
		if err != nil {
			b.Fatal(err)
		}
		documents[engine] = bytes.ReplaceAll(raw, []byte(`"hooks/`), []byte(`"/hooks/`))
	}
	for _, name := range sortedKeys(documents) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(documents[name])))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeSpec(documents[name]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
