// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/websocket"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// execSync prints both streams and, unless it is 0, the exit status.
func execSync(c client, words []string) error {
	seconds, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return err
	}
	r, err := c.ExecSync(c, &cri.ExecSyncRequest{ContainerId: words[0], Timeout: seconds, Cmd: words[2:]})
	if err != nil {
		return err
	}
	fmt.Printf("%s%s", r.Stdout, r.Stderr)
	if r.ExitCode != 0 {
		fmt.Println("exit status", r.ExitCode)
	}
	return nil
}

func exec(c client, words []string) error {
	r, err := c.Exec(c, &cri.ExecRequest{ContainerId: words[0], Cmd: words[1:], Stdout: true, Stderr: true})
	if err != nil {
		return err
	}
	return stream(r.Url, nil)
}

func execTTY(c client, words []string) error {
	r, err := c.Exec(c, &cri.ExecRequest{ContainerId: words[0], Cmd: words[1:], Tty: true, Stdin: true, Stdout: true})
	if err != nil {
		return err
	}
	return stream(r.Url, nil)
}

func attach(c client, words []string) error {
	r, err := c.Attach(c, &cri.AttachRequest{ContainerId: words[0], Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return err
	}
	return stream(r.Url, os.Stdin)
}

// stream speaks version 4 of Kubernetes' remote command protocol: every frame
// begins with its channel, 0 standard input, 1 and 2 the outputs, 3 the status.
func stream(url string, input io.Reader) error {
	ws, err := open(url, "v4.channel.k8s.io")
	if err != nil {
		return err
	}
	defer ws.Close()
	if input != nil {
		text, err := io.ReadAll(input)
		if err != nil {
			return err
		}
		if err := websocket.Message.Send(ws, append([]byte{0}, text...)); err != nil {
			return err
		}
	}
	for {
		var frame []byte
		if err := websocket.Message.Receive(ws, &frame); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if len(frame) < 2 {
			continue
		}
		switch frame[0] {
		case 1, 2:
			os.Stdout.Write(frame[1:])
		case 3:
			if status := string(frame[1:]); !strings.Contains(status, `"Success"`) {
				return fmt.Errorf("%s", status)
			}
		}
	}
}

// forward asks for / by HTTP at a port of the pod and prints the answer. The
// first frame of each channel, 0 data and 1 error, is the number of the port.
func forward(c client, words []string) error {
	port, err := strconv.ParseUint(words[1], 10, 16)
	if err != nil {
		return err
	}
	r, err := c.PortForward(c, &cri.PortForwardRequest{PodSandboxId: words[0], Port: []int32{int32(port)}})
	if err != nil {
		return err
	}
	ws, err := open(r.Url+"?port="+words[1], "v4.channel.k8s.io")
	if err != nil {
		return err
	}
	defer ws.Close()
	if err := websocket.Message.Send(ws, []byte("\x00GET / HTTP/1.0\r\n\r\n")); err != nil {
		return err
	}
	greeted := [2]bool{}
	for {
		var frame []byte
		if err := websocket.Message.Receive(ws, &frame); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		channel, data := frame[0], frame[1:]
		if channel > 1 {
			return fmt.Errorf("channel %d", channel)
		}
		if !greeted[channel] && len(data) == 2 && binary.LittleEndian.Uint16(data) == uint16(port) {
			greeted[channel] = true
			continue
		}
		os.Stdout.Write(data)
	}
}

func open(url, protocol string) (*websocket.Conn, error) {
	return websocket.Dial("ws"+strings.TrimPrefix(url, "http"), protocol, "http://localhost")
}
