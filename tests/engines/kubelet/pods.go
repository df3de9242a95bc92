// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func version(c client, _ []string) error {
	r, err := c.Version(c, &cri.VersionRequest{})
	if err == nil {
		fmt.Println(r.RuntimeName, r.RuntimeApiVersion)
	}
	return err
}

// podConfig is that of a pod by name: containers are created with the same.
func podConfig(name string, network cri.NamespaceMode) *cri.PodSandboxConfig {
	logs, _ := filepath.Abs("logs/" + name)
	os.MkdirAll(logs, 0o755)
	return &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: name, Uid: name + "-uid", Namespace: "default"},
		Hostname:     name,
		LogDirectory: logs,
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent: "/kubepods/" + name,
			Sysctls:      map[string]string{"net.ipv4.ip_local_port_range": "4000 5000"},
			SecurityContext: &cri.LinuxSandboxSecurityContext{
				NamespaceOptions: &cri.NamespaceOption{Network: network, Pid: cri.NamespaceMode_CONTAINER},
			},
		},
	}
}

func runPod(c client, words []string) error {
	network, handler := cri.NamespaceMode_POD, ""
	if len(words) > 1 && words[1] == "host" {
		network = cri.NamespaceMode_NODE
	}
	privileged := len(words) > 1 && words[1] == "privileged"
	if len(words) > 2 {
		handler = words[2]
	}
	config := podConfig(words[0], network)
	if network == cri.NamespaceMode_NODE {
		config.Hostname, config.Linux.Sysctls = "", nil
	}
	config.Linux.SecurityContext.Privileged = privileged
	r, err := c.RunPodSandbox(c, &cri.RunPodSandboxRequest{Config: config, RuntimeHandler: handler})
	if err == nil {
		fmt.Println(r.PodSandboxId)
	}
	return err
}

// pod prints the state of a pod and its address.
func pod(c client, words []string) error {
	r, err := c.PodSandboxStatus(c, &cri.PodSandboxStatusRequest{PodSandboxId: words[0]})
	if err == nil {
		fmt.Println(r.Status.State, r.Status.Network.GetIp())
	}
	return err
}

func stopPod(c client, words []string) error {
	_, err := c.StopPodSandbox(c, &cri.StopPodSandboxRequest{PodSandboxId: words[0]})
	return err
}

func removePod(c client, words []string) error {
	_, err := c.RemovePodSandbox(c, &cri.RemovePodSandboxRequest{PodSandboxId: words[0]})
	return err
}
