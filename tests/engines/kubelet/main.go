// SPDX-License-Identifier: Apache-2.0

// The program cri asks a container runtime interface (CRI) as a kubelet does, a
// call a command; see the table of calls. Ids and answers go to standard output.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const socket = "unix:///run/containerd/containerd.sock"

type client struct {
	context.Context
	cri.RuntimeServiceClient
}

// A call takes the words after its name, at least so many.
type call struct {
	name, usage string
	words       int
	run         func(c client, words []string) error
}

var calls = []call{
	{"version", "", 0, version},
	{"run-pod", "NAME [pod|host|privileged] [HANDLER]", 1, runPod},
	{"pod", "POD", 1, pod},
	{"stop-pod", "POD", 1, stopPod},
	{"remove-pod", "POD", 1, removePod},
	{"create", "POD NAME [OPTION=VALUE...] -- COMMAND...", 4, create},
	{"start", "CONTAINER", 1, start},
	{"status", "CONTAINER", 1, status},
	{"list", "", 0, list},
	{"update", "CONTAINER MEMORY QUOTA", 3, update},
	{"stats", "CONTAINER", 1, stats},
	{"stop", "CONTAINER SECONDS", 2, stop},
	{"remove", "CONTAINER", 1, remove},
	{"exec-sync", "CONTAINER SECONDS COMMAND...", 3, execSync},
	{"exec", "CONTAINER COMMAND...", 2, exec},
	{"exec-tty", "CONTAINER COMMAND...", 2, execTTY},
	{"attach", "CONTAINER", 1, attach},
	{"forward", "POD PORT", 2, forward},
}

func main() {
	words := os.Args[1:]
	for _, call := range calls {
		if len(words) == 0 || call.name != words[0] {
			continue
		}
		if len(words)-1 < call.words {
			fmt.Fprintln(os.Stderr, "usage: cri", call.name, call.usage)
			os.Exit(2)
		}
		if err := dial(call, words[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	for _, call := range calls {
		fmt.Fprintln(os.Stderr, "cri", call.name, call.usage)
	}
	os.Exit(2)
}

func dial(call call, words []string) error {
	conn, err := grpc.NewClient(socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return call.run(client{ctx, cri.NewRuntimeServiceClient(conn)}, words)
}
