// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"corten/libcontainer"
)

func specCommand() *cli.Command {
	return &cli.Command{
		Name: "spec", Usage: "write a new config.json",
		Description: "Exit status: 0; 1 on failure, which a config.json that is there is.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "bundle", Aliases: []string{"b"}, Usage: "`DIR` to write it to (default: the current one)"},
			&cli.BoolFlag{Name: "rootless", Usage: "for a container of a user who is not root"},
		},
		Action: func(c *cli.Context) error {
			if _, err := operands(c, 0, false); err != nil {
				return err
			}
			text, err := libcontainer.SpecJSON(c.Bool("rootless"))
			if err != nil {
				return err
			}
			f, err := os.OpenFile(filepath.Join(c.String("bundle"), "config.json"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
			if errors.Is(err, os.ErrExist) {
				return errors.New("File config.json exists. Remove it first") //nolint:staticcheck // runc's words
			}
			if err != nil {
				return err
			}
			_, err = f.Write(append(text, '\n'))
			return errors.Join(err, f.Close())
		},
	}
}
