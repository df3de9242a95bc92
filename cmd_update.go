// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func updateCommand() *cli.Command {
	flags := []cli.Flag{&cli.StringFlag{Name: "resources", Aliases: []string{"r"}, Usage: "read linux.resources as JSON from `FILE`, - is stdin; the other options go on top"}}
	for _, limit := range limitFlags {
		flags = append(flags, &cli.StringFlag{Name: limit.name, Usage: limit.usage, Hidden: limit.usage == ""})
	}
	flags = append(flags, &cli.StringFlag{Name: "l3-cache-schema", Usage: "`SCHEMA` of its share of the L3 cache (intelRdt)"},
		&cli.StringFlag{Name: "mem-bw-schema", Usage: "`SCHEMA` of its share of the memory bandwidth (intelRdt)"})
	return &cli.Command{
		Name: "update", Usage: "change the limits of ID", ArgsUsage: "ID",
		Description: "What is not named stays as it is. AMOUNTs are bytes, or take a suffix such as k, m\n" +
			"or g (of 1024); -1 is no limit. Exit status: 0; 1 on failure, and then none has changed.",
		Flags: flags,
		Action: func(c *cli.Context) error {
			args, err := operands(c, 1, false)
			if err != nil {
				return err
			}
			change := new(specs.LinuxResources)
			if file := c.String("resources"); file != "" {
				if change, err = libcontainer.LoadResources(file); err != nil {
					return err
				}
			}
			for _, limit := range limitFlags {
				text := c.String(limit.name)
				if text == "" {
					continue
				}
				if err := limit.set(change, text); err != nil {
					return &misuse{"update", errors.New("invalid value for " + limit.name + ": " + quote(text) + ": " + err.Error())}
				}
			}
			return newRuntime(c).Update(args[0], &libcontainer.Change{Resources: change,
				L3CacheSchema: c.String("l3-cache-schema"), MemBwSchema: c.String("mem-bw-schema")})
		},
	}
}

// limitFlags are the flags of update that set one field; without a usage text,
// those that scripts for runc may still have.
var limitFlags = [...]struct {
	name, usage string
	set         func(r *specs.LinuxResources, text string) error
}{
	{"blkio-weight", "`WEIGHT` of its use of disks, 10 to 1000", func(r *specs.LinuxResources, text string) error {
		n, err := strconv.ParseUint(text, 10, 16)
		ours(&r.BlockIO).Weight = new(uint16(n))
		return plain(err)
	}},
	{"cpu-period", "`MICROSECONDS` in which the quota can be used", func(r *specs.LinuxResources, text string) error {
		return unsigned(&ours(&r.CPU).Period, text)
	}},
	{"cpu-quota", "`MICROSECONDS` of processor time in a period; -1: no limit", func(r *specs.LinuxResources, text string) error {
		return signed(&ours(&r.CPU).Quota, text)
	}},
	{"cpu-burst", "`MICROSECONDS` of unused quota to use later", func(r *specs.LinuxResources, text string) error {
		return unsigned(&ours(&r.CPU).Burst, text)
	}},
	{"cpu-share", "`SHARES` of processor time relative to others, 2 to 262144", func(r *specs.LinuxResources, text string) error {
		return unsigned(&ours(&r.CPU).Shares, text)
	}},
	{"cpu-rt-period", "`MICROSECONDS` in which the real-time runtime can be used", func(r *specs.LinuxResources, text string) error {
		return unsigned(&ours(&r.CPU).RealtimePeriod, text)
	}},
	{"cpu-rt-runtime", "`MICROSECONDS` of real-time processor time in a period", func(r *specs.LinuxResources, text string) error {
		return signed(&ours(&r.CPU).RealtimeRuntime, text)
	}},
	{"cpu-idle", "1: run only when nothing else wants to; 0: as usual: `0|1`", func(r *specs.LinuxResources, text string) error {
		return signed(&ours(&r.CPU).Idle, text)
	}},
	{"cpuset-cpus", "the `CPUS` to run on, such as 0-3,7", func(r *specs.LinuxResources, text string) error {
		ours(&r.CPU).Cpus = text
		return nil
	}},
	{"cpuset-mems", "the memory `NODES` to use, such as 0", func(r *specs.LinuxResources, text string) error {
		ours(&r.CPU).Mems = text
		return nil
	}},
	{"memory", "`AMOUNT` of memory", func(r *specs.LinuxResources, text string) error {
		return amountOf(&ours(&r.Memory).Limit, text)
	}},
	{"memory-reservation", "`AMOUNT` of memory it is left when memory is short", func(r *specs.LinuxResources, text string) error {
		return amountOf(&ours(&r.Memory).Reservation, text)
	}},
	{"memory-swap", "`AMOUNT` of memory and swap together", func(r *specs.LinuxResources, text string) error {
		return amountOf(&ours(&r.Memory).Swap, text)
	}},
	{"kernel-memory", "", func(r *specs.LinuxResources, text string) error {
		return amountOf(&ours(&r.Memory).Kernel, text) //nolint:staticcheck // warned of
	}},
	{"kernel-memory-tcp", "", func(r *specs.LinuxResources, text string) error {
		return amountOf(&ours(&r.Memory).KernelTCP, text)
	}},
	{"pids-limit", "`NUMBER` of processes and threads; -1: no limit", func(r *specs.LinuxResources, text string) error {
		return signed(&ours(&r.Pids).Limit, text)
	}},
}

// ours is the section at p, made if it is not there.
func ours[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

func signed(to **int64, text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	*to = &n
	return plain(err)
}

func unsigned(to **uint64, text string) error {
	n, err := strconv.ParseUint(text, 10, 64)
	*to = &n
	return plain(err)
}

// amountOf reads an amount as docker has them: "1.5g", "512 MB", "64KiB", "-1".
func amountOf(to **int64, text string) error {
	number := strings.ToLower(strings.TrimSpace(text))
	if number != "-1" {
		number = strings.TrimSuffix(number, "b")
		number = strings.TrimSuffix(number, "i")
	}
	factor := float64(1)
	if i := strings.IndexByte("kmgtp", last(number)); i >= 0 {
		factor = float64(int64(1) << (10 * (i + 1)))
		number = number[:len(number)-1]
	}
	number = strings.TrimSpace(number)
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && (n >= 0 || n == -1 && factor == 1) && float64(n)*factor < 1<<63 {
		*to = new(n * int64(factor))
		return nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || !(f >= 0 && f*factor < 1<<63) || strings.ContainsAny(number, "xXeEpPnN_+-") {
		return errors.New("want bytes, or a number with k, m, g, t or p")
	}
	*to = new(int64(f * factor))
	return nil
}

func last(s string) byte {
	if s == "" {
		return 0
	}
	return s[len(s)-1]
}

// plain is what is wrong with a number, without the number.
func plain(err error) error {
	var e *strconv.NumError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
