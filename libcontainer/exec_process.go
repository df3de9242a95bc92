// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"corten/nsenter/plan"
)

// ownProcess is the process section of the bundle's config.json as it is now,
// which is what runc's exec goes by; where that is gone, as it was at create.
func (c *container) ownProcess() (*specs.Process, error) {
	made, err := c.config()
	if err != nil {
		return nil, err
	}
	file := cmp.Or(c.Config, path.Join(c.Bundle, configFile))
	raw, err := readDocument(file)
	if errors.Is(err, os.ErrNotExist) || err == nil && bytes.Equal(raw, made.Raw) {
		return made.Process, nil
	}
	if err != nil {
		return nil, inFile(file, err)
	}
	now, err := DecodeSpec(raw)
	if err != nil {
		return nil, inFile(file, err)
	}
	return now.Process, nil
}

// process is the process section that exec runs: that of --process, or the
// container's own with the options on top.
func (o *ExecOptions) process(own func() (*specs.Process, error)) (*specs.Process, error) {
	if o.Process != nil {
		return o.Process, nil
	}
	like, err := own()
	if err != nil {
		return nil, err
	}
	if like == nil {
		return nil, errors.New("exec needs --process: the container's config.json has none")
	}
	p := *like
	p.Args, p.Terminal, p.ConsoleSize = o.Args, o.TTY, nil
	p.Env = append(p.Env[:len(p.Env):len(p.Env)], o.Env...)
	for _, e := range o.Env {
		if strings.IndexByte(e, '=') <= 0 {
			return nil, errors.New("--env " + strconv.Quote(e) + ": want NAME=value")
		}
	}
	if len(o.Args) == 0 {
		return nil, errors.New("exec needs a command or --process")
	}
	if o.Cwd != "" {
		p.Cwd = o.Cwd
	}
	if !path.IsAbs(p.Cwd) {
		return nil, errors.New("Cwd must be an absolute path") //nolint:staticcheck // runc's words
	}
	p.NoNewPrivileges = p.NoNewPrivileges || o.NoNewPrivs
	p.ApparmorProfile = cmp.Or(o.AppArmorProfile, p.ApparmorProfile)
	p.SelinuxLabel = cmp.Or(o.SELinuxLabel, p.SelinuxLabel)
	if err := validateLinuxProcess(plan.At("/process"), &p); err != nil {
		return nil, err
	}
	if err := o.user(&p.User); err != nil {
		return nil, err
	}
	p.User.AdditionalGids = append(p.User.AdditionalGids[:len(p.User.AdditionalGids):len(p.User.AdditionalGids)], o.AdditionalGids...)
	return &p, o.capabilities(&p)
}

// user reads uid[:gid]: whole numbers in base 10, no names, so that a passwd of
// the image cannot change what they mean (CVE-2016-3697, CVE-2026-30892).
func (o *ExecOptions) user(u *specs.User) error {
	if o.User == "" {
		return nil
	}
	uid, gid, hasGID := strings.Cut(o.User, ":")
	var err error
	if u.UID, err = parseID(uid); err == nil && hasGID {
		u.GID, err = parseID(gid)
	}
	if err != nil {
		return errors.New("--user " + strconv.Quote(o.User) + ": want uid[:gid], numbers below 4294967295")
	}
	return nil
}

func parseID(text string) (uint32, error) {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return 0, strconv.ErrSyntax
		}
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err == nil && n == 1<<32-1 {
		err = strconv.ErrRange
	}
	return uint32(n), err
}

// capabilities adds --cap: to what the process may have and has, never to what
// it may inherit, and so not to the ambient ones unless the config lets it
// (CVE-2022-29162 and its family).
func (o *ExecOptions) capabilities(p *specs.Process) error {
	if len(o.Caps) == 0 {
		return nil
	}
	c := specs.LinuxCapabilities{}
	if p.Capabilities != nil {
		c = *p.Capabilities
	}
	for _, name := range o.Caps {
		if capabilityBit(name) == 0 {
			return errors.New("--cap " + name + ": unknown capability")
		}
	}
	add := func(list []string) []string { return append(list[:len(list):len(list)], o.Caps...) }
	c.Bounding, c.Effective, c.Permitted = add(c.Bounding), add(c.Effective), add(c.Permitted)
	for _, name := range o.Caps {
		for _, inheritable := range c.Inheritable {
			if name == inheritable {
				c.Ambient = append(c.Ambient[:len(c.Ambient):len(c.Ambient)], name)
			}
		}
	}
	p.Capabilities = &c
	return nil
}
