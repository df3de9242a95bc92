// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"corten/nsenter/plan"
)

// maxConfig is how many bytes of config.json or process.json are read.
const maxConfig = 16 << 20

// document points to the whole file. plan.At parses text: not for what a good
// document meets as well.
var document plan.Pointer

// Config is a config.json: decoded, checked as far as the document alone
// tells, and free of what corten does not support. Its strings share memory.
type Config struct {
	*specs.Spec

	// Raw is the file as read.
	Raw []byte

	// SeccompRaw is linux.seccomp as it stands in Raw; nil if there is none.
	SeccompRaw []byte
}

// Load reads and decodes the config.json at path. Its errors are *plan.Error.
func Load(path string) (*Config, error) {
	raw, err := readDocument(path)
	if err != nil {
		return nil, inFile(path, err)
	}
	c, err := DecodeSpec(raw)
	return c, inFile(path, err)
}

// LoadProcess reads and decodes the file at path, which is what config.json
// has at /process, for exec. The pointers of its errors point into that file.
func LoadProcess(path string) (*specs.Process, error) {
	raw, err := readDocument(path)
	if err != nil {
		return nil, inFile(path, err)
	}
	p, err := decodeProcess(raw)
	return p, inFile(path, err)
}

// DecodeSpec decodes a config.json, which the Config keeps and nobody may
// change from then on. Its errors are *plan.Error.
//
// Members the spec does not know are ignored, as it demands, and so are the
// sections of other platforms: they say nothing about Linux. null is an absent member. Names are compared
// byte by byte. For the text see cursor.
func DecodeSpec(b []byte) (*Config, error) {
	config := &Config{Raw: b}
	c := newCursor(b)
	if err := c.document(func() { c.spec(config) }); err != nil {
		return nil, err
	}
	if err := validate(config.Spec); err != nil {
		return nil, err
	}
	if config.Linux == nil {
		config.Linux = new(specs.Linux) // asks for nothing, and is never nil from here on
	}
	return config, nil
}

func decodeProcess(b []byte) (p *specs.Process, err error) {
	c := newCursor(b)
	if err := c.document(func() { p = c.process() }); err != nil {
		return nil, err
	}
	if err := validateProcess(document, p); err != nil {
		return nil, err
	}
	return p, nil
}

// inFile names the file err points into.
func inFile(path string, err error) error {
	var e *plan.Error
	if name := filepath.Base(path); name != "config.json" && errors.As(err, &e) {
		e.File = name
	}
	return err
}

// readDocument reads a regular file of at most maxConfig bytes. A FIFO or a
// device is opened without waiting for it, and refused.
func readDocument(path string) ([]byte, error) {
	fd, err := openDocument(path)
	if err == unix.ENOENT {
		return nil, &plan.Error{Err: noDocument(filepath.Base(path))}
	} else if err != nil {
		e := &plan.Error{Op: "open " + path, Err: err}
		if err == unix.EACCES {
			e.Hint = newWalker(&specs.Linux{}).stopped(path)
		}
		return nil, e
	}
	defer unix.Close(fd)

	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, &plan.Error{Op: "fstat " + path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, &plan.Error{Err: errors.New("not a regular file")}
	}
	b := make([]byte, 0, min(st.Size, maxConfig)+1)
	for {
		n, err := unix.Read(fd, b[len(b):cap(b)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, &plan.Error{Op: "read " + path, Err: err}
		case n == 0:
			return b, nil
		case len(b)+n > maxConfig:
			return nil, &plan.Error{Err: errors.New("larger than 16 MiB")}
		default:
			// One byte is always left, so that the end is seen.
			if b = b[:len(b)+n]; len(b) == cap(b) {
				b = append(b, 0)[:len(b)]
			}
		}
	}
}

func openDocument(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// noDocument is ENOENT in the words engines know from runc.
type noDocument string

func (name noDocument) Error() string {
	return "JSON specification file " + string(name) + " not found"
}

func (noDocument) Unwrap() error { return unix.ENOENT }

func (c *cursor) spec(config *Config) {
	s := new(specs.Spec)
	config.Spec = s
	c.object(func(name string) {
		switch name {
		case "ociVersion":
			s.Version = c.string()
		case "process":
			s.Process = c.process()
		case "root":
			s.Root = c.root()
		case "hostname":
			s.Hostname = c.string()
		case "domainname":
			s.Domainname = c.string()
		case "mounts":
			s.Mounts = list(c, c.mount)
		case "hooks":
			s.Hooks = c.hooks()
		case "annotations":
			s.Annotations = c.texts()
		case "linux":
			s.Linux = c.linux(config)
		case "vm":
			s.VM = new(specs.VM) // is refused, whatever it says
			c.skip()
		default:
			c.skip()
		}
	}, "ociVersion", "root")
}

func (c *cursor) root() *specs.Root {
	r := new(specs.Root)
	c.object(func(name string) {
		switch name {
		case "path":
			r.Path = c.string()
		case "readonly":
			r.Readonly = c.bool()
		default:
			c.skip()
		}
	}, "path")
	return r
}

func (c *cursor) mount() (m specs.Mount) {
	c.object(func(name string) {
		switch name {
		case "destination":
			m.Destination = c.string()
		case "type":
			m.Type = c.string()
		case "source":
			m.Source = c.string()
		case "options":
			m.Options = c.strings()
		case "uidMappings":
			m.UIDMappings = list(c, c.idMapping)
		case "gidMappings":
			m.GIDMappings = list(c, c.idMapping)
		default:
			c.skip()
		}
	}, "destination")
	return m
}

func (c *cursor) hooks() *specs.Hooks {
	h := new(specs.Hooks)
	c.object(func(name string) {
		switch name {
		case "prestart":
			h.Prestart = list(c, c.hook) //nolint:staticcheck // deprecated, but engines still write it
		case "createRuntime":
			h.CreateRuntime = list(c, c.hook)
		case "createContainer":
			h.CreateContainer = list(c, c.hook)
		case "startContainer":
			h.StartContainer = list(c, c.hook)
		case "poststart":
			h.Poststart = list(c, c.hook)
		case "poststop":
			h.Poststop = list(c, c.hook)
		default:
			c.skip()
		}
	})
	return h
}

func (c *cursor) hook() (h specs.Hook) {
	c.object(func(name string) {
		switch name {
		case "path":
			h.Path = c.string()
		case "args":
			h.Args = c.strings()
		case "env":
			h.Env = c.strings()
		case "timeout":
			h.Timeout = new(int(c.int(minInt32, maxInt32)))
		default:
			c.skip()
		}
	}, "path")
	return h
}
