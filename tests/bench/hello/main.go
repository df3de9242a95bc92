// SPDX-License-Identifier: Apache-2.0

// Command hello does nothing: what any program in Go takes.
package main

func main() {}
