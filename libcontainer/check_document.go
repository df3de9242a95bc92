// SPDX-License-Identifier: Apache-2.0

package libcontainer

import (
	"slices"
	"strconv"
	"strings"
)

// draft is a config.json from which values that create refuses are taken out,
// one by one, so that it can be asked for the next. Pointers are into the
// document as it was.
type draft struct {
	root    *node
	touched []string // pointers of what was taken out or replaced
	noRoot  bool     // so is the root: what is in it cannot be told
}

// node is a value of JSON. Its text is that of the document for all but objects
// and arrays.
type node struct {
	name    string // in an object
	index   int    // in an array, as it was; -1 in an object
	open    byte   // '{', '[', or 0
	text    string
	members []*node
	gone    bool
}

// newDraft reads a document; its error says where it is no JSON.
func newDraft(b []byte) (*draft, error) {
	d, c := &draft{}, newCursor(b)
	err := c.document(func() { d.root = c.node("", -1) })
	return d, err
}

func (c *cursor) node(name string, index int) *node {
	v := &node{name: name, index: index}
	switch c.peek() {
	case '{':
		v.open = '{'
		c.entries(func(name string) { v.members = append(v.members, c.node(name, -1)) })
	case '[':
		v.open = '['
		c.array(func() { v.members = append(v.members, c.node("", len(v.members))) })
	default:
		first, end := c.span(c.skip)
		v.text = c.text[first:min(end, len(c.text))]
	}
	return v
}

// text is the document as it is now.
func (d *draft) text() []byte { return d.root.append(nil) }

func (v *node) append(b []byte) []byte {
	if v.open == 0 {
		return append(b, v.text...)
	}
	b = append(b, v.open)
	for i, m := range v.left() {
		if i > 0 {
			b = append(b, ',')
		}
		if v.open == '{' {
			b = append(appendJSON(b, m.name), ':')
		}
		b = m.append(b)
	}
	return append(b, v.open+2) // '}' or ']'
}

// left are the members that have not been taken out.
func (v *node) left() []*node {
	return slices.DeleteFunc(slices.Clone(v.members), func(m *node) bool { return m.gone })
}

// appendJSON appends a name the decoder has read: UTF-8 without NUL.
func appendJSON(b []byte, name string) []byte {
	b = append(b, '"')
	for _, r := range name {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[r>>4], "0123456789abcdef"[r&15])
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}

// place is where a pointer into the present text leads.
type place struct {
	at    string  // the pointer into the document as it was
	trail []*node // from the root to the last value that is there
	whole bool    // the last is what the pointer names
}

// find follows a pointer, in its text form, as far as it leads.
func (d *draft) find(pointer string) place {
	p := place{trail: []*node{d.root}, whole: true}
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if pointer == "" {
			break
		}
		if next := p.trail[len(p.trail)-1].member(token); p.whole && next != nil {
			if next.index >= 0 {
				token = strconv.Itoa(next.index)
			}
			p.trail = append(p.trail, next)
		} else {
			p.whole = false
		}
		p.at += "/" + token
	}
	return p
}

func (v *node) member(token string) *node {
	left := v.left()
	if v.open == '[' {
		if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(left) {
			return left[i]
		}
		return nil
	}
	name := strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
	for _, m := range left {
		if m.name == name {
			return m
		}
	}
	return nil
}

// follows reports whether what is wrong at a pointer may come of what was taken
// out: there, around it or within. What the executor says of a root that is not
// the container's, does.
func (d *draft) follows(at string, executed bool) bool {
	elsewhere := !strings.HasPrefix(at, "/mounts/") || strings.HasSuffix(at, "/destination")
	return executed && d.noRoot && elsewhere ||
		slices.ContainsFunc(d.touched, func(t string) bool {
			return at == t || strings.HasPrefix(at, t+"/") || strings.HasPrefix(t, at+"/") && strings.Count(at, "/") > 1
		})
}

// repair changes the document so that what is wrong at p is no longer in it:
// by a value that is right everywhere, where there has to be one, else by
// taking out as little as helps. false: it knows no way.
func (d *draft) repair(p place) bool {
	last := len(p.trail) - 1
	if strings.HasPrefix(p.at, "/linux/namespaces") && !strings.HasSuffix(p.at, "/path") {
		at := strings.Join(strings.Split(p.at, "/")[:min(last, 3)+1], "/") // of the entry, if it is about one
		if last > 2 {
			p.trail[3].gone = true
		}
		return d.touch(at) && d.completeNamespaces()
	}
	if text, first := substitute(p.at), d.touch(p.at); text != "" && first {
		if strings.HasPrefix(p.at, "/root") {
			d.noRoot = true
		}
		return d.put(p.at, text)
	}
	switch at := strings.Join(strings.Split(p.at, "/")[:last+1], "/"); at {
	case "", "/root", "/process", "/process/user", "/linux":
		return false // nothing can be without them
	default:
		p.trail[last].gone = true
		d.touch(at)
		return true
	}
}

// touch notes a pointer, and reports whether it is the first time.
func (d *draft) touch(at string) bool {
	if slices.Contains(d.touched, at) {
		return false
	}
	d.touched = append(d.touched, at)
	return true
}

// substitute is a value for what must not be missing; "" elsewhere.
func substitute(at string) string {
	switch at {
	case "/ociVersion":
		return `"1.0.0"`
	case "/root":
		return `{"path":"/"}`
	case "/root/path":
		return `"/"`
	case "/process/args":
		return `["/"]`
	case "/process/args/0", "/process/cwd":
		return `"/"`
	case "/linux/uidMappings", "/linux/gidMappings":
		return `[{"containerID":0,"hostID":0,"size":4294967295}]`
	case "/process/user/uid", "/process/user/gid":
		return `0`
	}
	return ""
}

// completeNamespaces adds the types a container mostly has, for what else in the
// document needs them.
func (d *draft) completeNamespaces() bool {
	if !d.find("/linux/namespaces").whole && !d.put("/linux/namespaces", "") {
		return false
	}
	p := d.find("/linux/namespaces")
	list := p.trail[len(p.trail)-1]
	list.open, list.text = '[', ""
	for _, name := range [...]string{"pid", "mount", "ipc", "uts", "network", "cgroup"} {
		has := func(ns *node) bool {
			t := ns.member("type")
			return t != nil && t.text == strconv.Quote(name)
		}
		if !slices.ContainsFunc(list.left(), has) {
			t := &node{name: "type", index: -1, text: strconv.Quote(name)}
			list.members = append(list.members, &node{index: len(list.members), open: '{', members: []*node{t}})
		}
	}
	return true
}

// put sets a value below an object that is there.
func (d *draft) put(at, text string) bool {
	parent, name := at[:strings.LastIndexByte(at, '/')], at[strings.LastIndexByte(at, '/')+1:]
	p := d.find(parent)
	v := p.trail[len(p.trail)-1]
	if !p.whole || v.open == 0 {
		return false
	}
	if old := v.member(name); old != nil {
		old.open, old.text, old.members = 0, text, nil
		return true
	}
	if v.open == '{' {
		v.members = append(v.members, &node{name: name, index: -1, text: text})
	}
	return v.open == '{'
}
