// SPDX-License-Identifier: Apache-2.0

// Package e2e runs real containers: one file a subject, each test named by the
// sentence it proves.
package e2e

import (
	"os"
	"testing"

	"corten/tests/bundle"
)

func TestMain(m *testing.M) {
	if scenario := os.Getenv(monitorEnv); scenario != "" {
		monitorMain(scenario)
		return
	}
	if os.Getenv(tracerEnv) != "" {
		trace()
		return
	}
	bundle.Main(m)
}
