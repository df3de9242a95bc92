// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"corten/nsenter/plan"
)

const (
	maxDepth  = 1000      // nested objects and arrays
	maxValues = 1 << 18   // members and elements: bounds the memory 16 MiB of them take
	maxID     = 1<<32 - 2 // 2^32-1 is (uid_t)-1: "no change" to setresuid(2)

	// fewNames is up to how many members of an object are compared one by one.
	fewNames = 32
)

// cursor reads one JSON document (RFC 8259) from front to back and knows at
// every moment where it is. The first error sticks and ends the text, so that
// readers need no checks: what they return after it is not used.
//
// Stricter than the RFC demands: a name may occur once in an object, and a
// string is UTF-8 without NUL. Bytes that are not UTF-8, and escapes that are
// half a surrogate pair, are refused, not replaced as encoding/json does: a
// replaced byte would name another file.
type cursor struct {
	text  string
	pos   int
	depth int
	count int      // of the values so far
	path  []part   // from the document to the value being read
	names []string // of the open objects' members so far
	words []string // of the array of strings being read
	err   *plan.Error
}

// part is one step of a JSON pointer: a member's name, or an index from 0.
type part struct {
	name  string
	index int // -1 for a member
}

// newCursor is at the beginning of b, whose memory it and the strings it reads
// share.
func newCursor(b []byte) *cursor {
	return &cursor{text: unsafe.String(unsafe.SliceData(b), len(b)), path: make([]part, 0, 16)}
}

// at is the pointer to the value being read.
func (c *cursor) at() plan.Pointer {
	var at plan.Pointer
	for _, p := range c.path {
		if p.index < 0 {
			at = at.Field(p.name)
		} else {
			at = at.Index(p.index)
		}
	}
	return at
}

// fail ends the reading, unless it has already ended.
func (c *cursor) fail(text string) {
	if c.err == nil {
		c.err = &plan.Error{At: c.at(), Err: errors.New(text)}
	}
	c.pos = len(c.text)
}

// failAt is fail for member name of the value being read.
func (c *cursor) failAt(name, text string) {
	c.path = append(c.path, part{name, -1})
	c.fail(text)
	c.path = c.path[:len(c.path)-1]
}

// place is the line and the column of c.pos, both from 1, the column in bytes.
func (c *cursor) place() string {
	read := c.text[:c.pos]
	line := 1 + strings.Count(read, "\n")
	return fmt.Sprintf("%d:%d", line, c.pos-strings.LastIndexByte(read, '\n'))
}

// malformed fails because the text at c.pos is not JSON.
func (c *cursor) malformed(want string) {
	got := "the end"
	if c.pos < len(c.text) {
		r, size := utf8.DecodeRuneInString(c.text[c.pos:])
		got = strconv.QuoteRune(r)
		if r == utf8.RuneError && size == 1 {
			got = fmt.Sprintf("byte 0x%02x", c.text[c.pos])
		}
	}
	c.fail("malformed JSON at " + c.place() + ": want " + want + ", got " + got)
}

// wrong fails because the next value, whatever it is, has the wrong type.
func (c *cursor) wrong(want string) {
	got := ""
	switch b := c.peek(); {
	case b == '{':
		got = "an object"
	case b == '[':
		got = "an array"
	case b == '"':
		got = "a string"
	case b == '-' || '0' <= b && b <= '9':
		got = "a number"
	case b == 't' || b == 'f':
		got = "a boolean"
	case b == 'n':
		got = "null"
	default:
		c.malformed(want)
		return
	}
	c.fail("want " + want + ", got " + got)
}

// peek skips white space and returns the byte after it, 0 at the end.
func (c *cursor) peek() byte {
	for ; c.pos < len(c.text); c.pos++ {
		switch b := c.text[c.pos]; b {
		case ' ', '\t', '\n', '\r':
		default:
			return b
		}
	}
	return 0
}

// open enters the object or array that begins with b.
func (c *cursor) open(b byte, want string) bool {
	if c.peek() != b {
		c.wrong(want)
		return false
	}
	if c.depth == maxDepth {
		c.fail("nested deeper than " + strconv.Itoa(maxDepth) + " levels")
		return false
	}
	c.pos++
	c.depth++
	return true
}

// more reports whether a comma follows, and skips it. If not, end does, and
// the object or array is left.
func (c *cursor) more(end byte) bool {
	if c.count++; c.count > maxValues {
		c.fail("more than " + strconv.Itoa(maxValues) + " values")
	}
	switch b := c.peek(); {
	case c.err != nil:
		return false
	case b == ',':
		c.pos++
		return true
	case b != end:
		c.malformed("',' or " + strconv.QuoteRune(rune(end)))
		return false
	}
	return c.leave()
}

func (c *cursor) leave() bool {
	c.pos++
	c.depth--
	return false
}

// object reads an object of the spec. member is called for each member and
// reads its value; null stands for an absent member. The required ones must
// be there.
func (c *cursor) object(member func(name string), required ...string) {
	c.members(false, member, required)
}

// entries reads an object whose names are the user's, such as annotations.
func (c *cursor) entries(entry func(name string)) { c.members(true, entry, nil) }

func (c *cursor) members(null bool, member func(name string), required []string) {
	if !c.open('{', "an object") {
		return
	}
	first := len(c.names)
	var many map[string]bool
	for more := c.peek() != '}' || c.leave(); more; more = c.more('}') {
		if c.peek() != '"' {
			c.malformed("a member's name")
			return
		}
		name := c.string()
		if c.err != nil {
			return
		}
		c.path = append(c.path, part{name, -1})
		if repeated(c.names[first:], name, &many) {
			c.fail("occurs twice")
			return
		}
		c.names = append(c.names, name)
		if c.peek() != ':' {
			c.malformed("':'")
			return
		}
		c.pos++
		if c.peek() != 'n' || null {
			member(name)
		} else if c.literal("null"); slices.Contains(required, name) {
			c.fail("required, but null")
		}
		c.path = c.path[:len(c.path)-1]
	}
	for _, name := range required {
		if c.err == nil && !slices.Contains(c.names[first:], name) {
			c.failAt(name, "required, but missing")
		}
	}
	c.names = c.names[:first]
}

// repeated reports whether name is among names; many holds them once they are
// too many to look through.
func repeated(names []string, name string, many *map[string]bool) bool {
	if len(names) < fewNames {
		return slices.Contains(names, name)
	}
	if *many == nil {
		*many = make(map[string]bool, 4*fewNames)
		for _, n := range names {
			(*many)[n] = true
		}
	}
	was := (*many)[name]
	(*many)[name] = true
	return was
}

// array reads an array; element is called for each element and reads it.
func (c *cursor) array(element func()) {
	if !c.open('[', "an array") {
		return
	}
	i := 0
	for more := c.peek() != ']' || c.leave(); more; more = c.more(']') {
		c.path = append(c.path, part{"", i})
		element()
		c.path = c.path[:len(c.path)-1]
		i++
	}
}

// list reads an array of what element reads. It is not nil when empty.
func list[T any](c *cursor, element func() T) []T {
	all := []T{}
	c.array(func() { all = append(all, element()) })
	return all
}

// strings reads an array of strings. It is not nil when empty.
func (c *cursor) strings() []string {
	first := len(c.words)
	c.array(func() { c.words = append(c.words, c.string()) })
	all := append(make([]string, 0, len(c.words)-first), c.words[first:]...)
	c.words = c.words[:first]
	return all
}

// words is strings for a type of strings.
func words[T ~string](c *cursor) []T {
	return list(c, func() T { return T(c.string()) })
}

// texts reads an object of strings.
func (c *cursor) texts() map[string]string {
	all := map[string]string{}
	c.entries(func(name string) { all[name] = c.string() })
	return all
}

// skip reads a value of any type, for a member the spec does not know.
func (c *cursor) skip() {
	switch c.peek() {
	case '{':
		c.entries(func(string) { c.skip() })
	case '[':
		c.array(func() { c.skip() })
	case '"':
		c.string()
	case 't', 'f':
		c.bool()
	case 'n':
		c.literal("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		c.number()
	default:
		c.malformed("a value")
	}
}

// span is where in the text the value lies that read reads.
func (c *cursor) span(read func()) (first, end int) {
	c.peek()
	first = c.pos
	read()
	return first, c.pos
}

// document reads the one value of the text.
func (c *cursor) document(read func()) error {
	if read(); c.err == nil && (c.peek() != 0 || c.pos < len(c.text)) {
		c.fail("data after the document at " + c.place())
	}
	if c.err != nil {
		return c.err
	}
	return nil
}

// clip is s, cut to what fits into a line.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "..."
	}
	return s
}
