// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"strconv"
	"strings"
)

// Pointer is a JSON pointer (RFC 6901) into config.json, such as
// /mounts/3/options/1. It is a value; Field and Index return longer ones and
// leave theirs alone. The zero Pointer is the whole document.
type Pointer struct{ last *token }

type token struct {
	parent *token
	name   string // "" for an index, unless the member's name is empty
	index  int    // -1 for a member
}

// At parses a pointer from its text form, as in At("/linux/seccomp").
func At(text string) Pointer {
	var p Pointer
	for text != "" {
		part, rest, more := strings.Cut(text[1:], "/")
		if strings.IndexByte(part, '~') >= 0 {
			part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		}
		p = p.Field(part)
		if text = ""; more {
			text = "/" + rest
		}
	}
	return p
}

// Field is the pointer to member name of the object p points to.
func (p Pointer) Field(name string) Pointer { return Pointer{&token{p.last, name, -1}} }

// Index is the pointer to element i, from 0, of the array p points to.
func (p Pointer) Index(i int) Pointer { return Pointer{&token{p.last, "", i}} }

// String is the text form: "" for the document, else "/a/0/b", with ~ and /
// inside a name written ~0 and ~1. Control characters are replaced by '?', so
// that an error stays one line.
func (p Pointer) String() string { return string(p.append(nil)) }

func (p Pointer) append(b []byte) []byte {
	if p.last == nil {
		return b
	}
	b = append(Pointer{p.last.parent}.append(b), '/')
	if p.last.index >= 0 {
		return strconv.AppendInt(b, int64(p.last.index), 10)
	}
	for i := 0; i < len(p.last.name); i++ {
		switch c := p.last.name[i]; c {
		case '~':
			b = append(b, "~0"...)
		case '/':
			b = append(b, "~1"...)
		default:
			if c < ' ' || c == 0x7f {
				c = '?'
			}
			b = append(b, c)
		}
	}
	return b
}
