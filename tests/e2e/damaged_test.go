// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"os"
	"testing"

	"corten/tests/bundle"
)

func TestDeleteForceNeedsNeitherTheStateNorTheJournalWhole(t *testing.T) {
	bundle.NeedCorten(t)
	damages := []struct {
		name string
		do   func(path string, whole []byte) error
	}{
		{"missing", func(path string, _ []byte) error { return os.Remove(path) }},
		{"empty", func(path string, _ []byte) error { return os.Truncate(path, 0) }},
		{"half", func(path string, whole []byte) error { return os.Truncate(path, int64(len(whole)/2)) }},
		{"zeros", func(path string, whole []byte) error {
			return os.WriteFile(path, bytes.Repeat([]byte{0}, len(whole)), 0o600)
		}},
	}
	for _, file := range []string{"state.json", "journal", "config.json", "plan"} {
		for _, damage := range damages {
			for _, started := range []bool{false, true} {
				name := file + " " + damage.name + " created"
				if started {
					name = file + " " + damage.name + " running"
				}
				t.Run(name, func(t *testing.T) {
					b := bundle.New(t, bundle.Probe("pause"))
					b.Create()
					if started {
						b.Start()
					}
					path := b.Root + "/" + b.ID + "/" + file
					if err := damage.do(path, []byte(b.Raw(path))); err != nil {
						t.Fatal(err)
					}
					b.Corten("list", "-q").OK(b)
					againAfterForce(t, b)
				})
			}
		}
	}
}
