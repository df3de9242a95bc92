// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const image = "docker.io/library/box:latest"

// create makes a container in a pod and prints its id. The options are
// memory=BYTES, bind=SOURCE:TARGET, user=UID, pid=pod, readonly=true,
// privileged=true and stdin=true.
func create(c client, words []string) error {
	end := slices.Index(words, "--")
	if end < 2 {
		return fmt.Errorf("-- is missing")
	}
	podID, name, command := words[0], words[1], words[end+1:]
	namespaces := &cri.NamespaceOption{Pid: cri.NamespaceMode_CONTAINER}
	security := &cri.LinuxContainerSecurityContext{NamespaceOptions: namespaces}
	resources := &cri.LinuxContainerResources{CpuPeriod: 100000, CpuShares: 512, OomScoreAdj: 1000}
	config := &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: name},
		Image:    &cri.ImageSpec{Image: image},
		Command:  command,
		Envs:     []*cri.KeyValue{{Key: "NAME", Value: name}},
		LogPath:  name + ".log",
		Linux:    &cri.LinuxContainerConfig{Resources: resources, SecurityContext: security},
	}
	for _, option := range words[2:end] {
		key, value, _ := strings.Cut(option, "=")
		number, _ := strconv.ParseInt(value, 10, 64)
		switch key {
		case "memory":
			resources.MemoryLimitInBytes = number
		case "bind":
			source, target, _ := strings.Cut(value, ":")
			config.Mounts = append(config.Mounts, &cri.Mount{HostPath: source, ContainerPath: target})
		case "user":
			security.RunAsUser = &cri.Int64Value{Value: number}
		case "pid":
			namespaces.Pid = cri.NamespaceMode_POD
		case "readonly":
			security.ReadonlyRootfs = true
		case "privileged":
			security.Privileged = true
		case "stdin":
			config.Stdin, config.StdinOnce = true, true
		default:
			return fmt.Errorf("unknown option %q", option)
		}
	}
	sandbox, err := c.PodSandboxStatus(c, &cri.PodSandboxStatusRequest{PodSandboxId: podID})
	if err != nil {
		return err
	}
	podConfig := podConfig(sandbox.Status.Metadata.Name, cri.NamespaceMode_POD)
	podConfig.Linux.SecurityContext.Privileged = security.Privileged
	r, err := c.CreateContainer(c, &cri.CreateContainerRequest{PodSandboxId: podID, Config: config, SandboxConfig: podConfig})
	if err == nil {
		fmt.Println(r.ContainerId)
	}
	return err
}

func start(c client, words []string) error {
	_, err := c.StartContainer(c, &cri.StartContainerRequest{ContainerId: words[0]})
	return err
}

// status prints the state of a container, its exit status and the reason.
func status(c client, words []string) error {
	r, err := c.ContainerStatus(c, &cri.ContainerStatusRequest{ContainerId: words[0]})
	if err == nil {
		fmt.Println(r.Status.State, r.Status.ExitCode, r.Status.Reason)
	}
	return err
}

func list(c client, _ []string) error {
	pods, err := c.ListPodSandbox(c, &cri.ListPodSandboxRequest{})
	if err != nil {
		return err
	}
	for _, p := range pods.Items {
		fmt.Println("pod", p.Metadata.Name, p.State)
	}
	containers, err := c.ListContainers(c, &cri.ListContainersRequest{})
	if err != nil {
		return err
	}
	for _, container := range containers.Containers {
		fmt.Println("container", container.Metadata.Name, container.State)
	}
	return nil
}

func update(c client, words []string) error {
	memory, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return err
	}
	quota, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil {
		return err
	}
	_, err = c.UpdateContainerResources(c, &cri.UpdateContainerResourcesRequest{
		ContainerId: words[0],
		Linux:       &cri.LinuxContainerResources{MemoryLimitInBytes: memory, CpuQuota: quota, CpuPeriod: 100000},
	})
	return err
}

// stats prints the bytes of memory in use and the nanoseconds of processor time.
func stats(c client, words []string) error {
	r, err := c.ContainerStats(c, &cri.ContainerStatsRequest{ContainerId: words[0]})
	if err == nil {
		fmt.Println(r.Stats.Memory.GetWorkingSetBytes().GetValue(), r.Stats.Cpu.GetUsageCoreNanoSeconds().GetValue())
	}
	return err
}

func stop(c client, words []string) error {
	seconds, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return err
	}
	_, err = c.StopContainer(c, &cri.StopContainerRequest{ContainerId: words[0], Timeout: seconds})
	return err
}

func remove(c client, words []string) error {
	_, err := c.RemoveContainer(c, &cri.RemoveContainerRequest{ContainerId: words[0]})
	return err
}
