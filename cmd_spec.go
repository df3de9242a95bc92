// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func specCommand() *cli.Command {
	return &cli.Command{
		Description: "Writes config.json for a shell in the root file system \"rootfs\".\n\nExit status: 0, or 1 if the file is there or cannot be written.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "directory to write it to (default: the working directory)"},
			&cli.BoolFlag{Name: "rootless", Usage: "for a caller without privileges"},
		},
		Action: func(c *cli.Context) error {
			b, err := libcontainer.SpecJSON(c.Bool("rootless"))
			if err != nil {
				return err
			}
			f, err := os.OpenFile(path.Join(c.String("bundle"), "config.json"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
			if errors.Is(err, os.ErrExist) {
				return errors.New("File config.json exists. Remove it first") //nolint:staticcheck // runc's words
			}
			if err != nil {
				return err
			}
			_, err = f.Write(b)
			return errors.Join(err, f.Close())
		},
	}
}
