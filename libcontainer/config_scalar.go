// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// string reads a string. It shares the document's memory where it can.
func (c *cursor) string() string {
	if c.peek() != '"' {
		c.wrong("a string")
		return ""
	}
	first, bits := c.pos+1, byte(0)
	for i := first; i < len(c.text); i++ {
		switch b := c.text[i]; {
		case b == '"':
			c.pos = i + 1
			return c.checked(c.text[first:i], bits)
		case b == '\\':
			c.pos = i
			return c.escaped(first)
		case b < ' ':
			c.pos = i
			c.malformed("no control character in a string")
			return ""
		default:
			bits |= b
		}
	}
	c.pos = len(c.text)
	c.malformed("'\"'")
	return ""
}

// checked is s if it is UTF-8. bits has a bit set if a byte of s has.
func (c *cursor) checked(s string, bits byte) string {
	if bits >= utf8.RuneSelf && !utf8.ValidString(s) {
		c.fail("want UTF-8, got " + strconv.QuoteToASCII(clip(s)))
	}
	return s
}

// escaped is string from the first backslash, at c.pos, on.
func (c *cursor) escaped(first int) string {
	b := []byte(c.text[first:c.pos])
	for c.err == nil && c.pos < len(c.text) {
		switch ch := c.text[c.pos]; {
		case ch == '"':
			c.pos++
			return c.checked(string(b), 0xff)
		case ch < ' ':
			c.malformed("no control character in a string")
		case ch != '\\':
			b = append(b, ch)
			c.pos++
		default:
			b = c.escape(b)
		}
	}
	if c.err == nil {
		c.malformed("'\"'")
	}
	return ""
}

// escape reads the escape at c.pos and appends what it stands for.
func (c *cursor) escape(b []byte) []byte {
	c.pos++
	if c.pos == len(c.text) {
		return b
	}
	switch ch := c.text[c.pos]; ch {
	case '"', '\\', '/':
		b = append(b, ch)
	case 'b':
		b = append(b, '\b')
	case 'f':
		b = append(b, '\f')
	case 'n':
		b = append(b, '\n')
	case 'r':
		b = append(b, '\r')
	case 't':
		b = append(b, '\t')
	case 'u':
		r := c.hex4()
		if c.err == nil && utf16.IsSurrogate(r) {
			half := r
			if r = utf8.RuneError; strings.HasPrefix(c.text[c.pos+1:], `\u`) {
				c.pos += 2
				r = utf16.DecodeRune(half, c.hex4())
			}
			if r == utf8.RuneError {
				c.fail("want UTF-8, got half a surrogate pair")
			}
		}
		if r == 0 {
			c.fail("must not contain a NUL byte")
		}
		b = utf8.AppendRune(b, r)
	default:
		c.malformed("an escape")
	}
	if c.err == nil {
		c.pos++
	}
	return b
}

// hex4 reads the four digits after the u at c.pos and leaves c.pos at the last.
func (c *cursor) hex4() rune {
	var r rune
	for range 4 {
		if c.pos++; c.pos >= len(c.text) {
			c.malformed("a hexadecimal digit")
			return 1
		}
		switch d := c.text[c.pos]; {
		case '0' <= d && d <= '9':
			r = r<<4 | rune(d-'0')
		case 'a' <= d|0x20 && d|0x20 <= 'f':
			r = r<<4 | rune(d|0x20-'a'+10)
		default:
			c.malformed("a hexadecimal digit")
			return 1
		}
	}
	return r
}

func (c *cursor) bool() bool {
	switch c.peek() {
	case 't':
		return c.literal("true")
	case 'f':
		return !c.literal("false")
	}
	c.wrong("a boolean")
	return false
}

// literal skips word, which the next byte promises.
func (c *cursor) literal(word string) bool {
	if strings.HasPrefix(c.text[c.pos:], word) {
		c.pos += len(word)
	} else {
		c.malformed(word)
	}
	return true
}

// digits skips digits and reports whether there was one.
func (c *cursor) digits() bool {
	first := c.pos
	for c.pos < len(c.text) && '0' <= c.text[c.pos] && c.text[c.pos] <= '9' {
		c.pos++
	}
	if c.pos == first {
		c.malformed("a digit")
	}
	return c.err == nil
}

// skipIf skips the next byte if it is one of set.
func (c *cursor) skipIf(set string) bool {
	if c.pos < len(c.text) && strings.IndexByte(set, c.text[c.pos]) >= 0 {
		c.pos++
		return true
	}
	return false
}

// number reads a number as it is written, and whether that is an integer.
func (c *cursor) number() (text string, integer bool) {
	first := c.pos
	c.skipIf("-")
	if integer = true; !c.skipIf("0") && !c.digits() {
		return "", false
	}
	if c.skipIf(".") {
		if integer = false; !c.digits() {
			return "", false
		}
	}
	if c.skipIf("eE") {
		integer = false
		if c.skipIf("+-"); !c.digits() {
			return "", false
		}
	}
	return c.text[first:c.pos], integer
}

// integer reads a number that must be written without fraction and exponent.
func (c *cursor) integer() (text string) {
	if b := c.peek(); b != '-' && (b < '0' || b > '9') {
		c.wrong("an integer")
		return ""
	}
	text, integer := c.number()
	if c.err == nil && !integer {
		c.fail("want an integer, got " + clip(text))
	}
	return text
}

// uint reads an integer from 0 to top.
func (c *cursor) uint(top uint64) uint64 {
	text := c.integer()
	n, err := strconv.ParseUint(text, 10, 64)
	if c.err == nil && (err != nil || n > top) {
		c.fail("want 0 to " + strconv.FormatUint(top, 10) + ", got " + clip(text))
	}
	return n
}

// int reads an integer from low to top.
func (c *cursor) int(low, top int64) int64 {
	text := c.integer()
	n, err := strconv.ParseInt(text, 10, 64)
	if c.err == nil && (err != nil || n < low || n > top) {
		c.fail("want " + strconv.FormatInt(low, 10) + " to " + strconv.FormatInt(top, 10) + ", got " + clip(text))
	}
	return n
}
