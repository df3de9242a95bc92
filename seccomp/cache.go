// SPDX-License-Identifier: Apache-2.0

package seccomp

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// An entry of the cache is a file:
//
//	magic    8 bytes
//	checksum u32, sum of all that follows
//	lengths  u32 × 3: of the key, the program, the unknown names
//	key      all that the program depends on, compared byte by byte
//	program
//	names    one a line
//
// The file's name is a hash of the key, which only spreads the entries: since
// the key itself is compared, two keys of one hash replace each other and are
// never taken for each other. The checksum is against a file cut short or
// damaged; against a file planted there are the checks of owner and mode.
const (
	magic      = "cortenS\x02"
	headerSize = 24
	maxEntries = 64
)

var le = binary.LittleEndian // both amd64 and arm64

// load returns the program kept for key. Whatever is wrong with the directory
// or the entry is as if there were none.
func load(dir string, key []byte) (Program, bool) {
	dirFD, ok := openDir(dir)
	if !ok {
		return Program{}, false
	}
	defer unix.Close(dirFD)
	// O_NONBLOCK: a FIFO in the place of the entry must not hold us up.
	fd, err := unix.Openat(dirFD, entryName(key), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return Program{}, false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || !private(&st) {
		return Program{}, false
	}
	b, err := readAll(fd)
	if err != nil {
		return Program{}, false
	}
	return decodeEntry(b, key)
}

// store keeps the program for key, best effort, and removes the oldest
// entries beyond maxEntries.
func store(dir string, key []byte, p Program) {
	if dir == "" {
		return
	}
	dirFD, ok := openDir(dir)
	if !ok {
		if os.MkdirAll(dir, 0o700) != nil {
			return
		}
		if dirFD, ok = openDir(dir); !ok {
			return
		}
	}
	defer unix.Close(dirFD)
	name := entryName(key)
	if replace(dirFD, name, encodeEntry(key, p)) {
		prune(dirFD, name)
	}
}

// replace writes a file under a name of its own and then gives it the name,
// so that readers see the old entry or the new one.
func replace(dirFD int, name string, b []byte) bool {
	var random [8]byte
	if _, err := unix.Getrandom(random[:], 0); err != nil {
		return false
	}
	temporary := "." + strconv.FormatUint(le.Uint64(random[:]), 16)
	fd, err := unix.Openat(dirFD, temporary, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false
	}
	err = writeAll(fd, b)
	unix.Close(fd)
	if err == nil {
		err = unix.Renameat(dirFD, temporary, dirFD, name)
	}
	if err != nil {
		unix.Unlinkat(dirFD, temporary, 0)
	}
	return err == nil
}

// prune removes the oldest files, left-over temporary ones too, until there
// are maxEntries. It spares the one just written.
func prune(dirFD int, spare string) {
	type file struct {
		name string
		time unix.Timespec
	}
	var files []file
	for _, name := range list(dirFD) {
		var st unix.Stat_t
		if unix.Fstatat(dirFD, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
			files = append(files, file{name, st.Mtim})
		}
	}
	if len(files) <= maxEntries {
		return
	}
	slices.SortFunc(files, func(a, b file) int {
		if a.time.Sec != b.time.Sec {
			return int(a.time.Sec - b.time.Sec)
		}
		return int(a.time.Nsec - b.time.Nsec)
	})
	for _, f := range files[:len(files)-maxEntries] {
		if f.name != spare {
			unix.Unlinkat(dirFD, f.name, 0)
		}
	}
}

// list is the names in the directory, nil if it cannot be read.
func list(dirFD int) (names []string) {
	b := make([]byte, 16<<10)
	for {
		n, err := unix.ReadDirent(dirFD, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return names
		}
		_, _, names = unix.ParseDirent(b[:n], -1, names)
	}
}

// openDir opens the cache's directory if only its owner, who we are, can
// write to it.
func openDir(dir string) (fd int, ok bool) {
	if dir == "" {
		return -1, false
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, false
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || !private(&st) {
		unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// private reports whether the file is ours and nobody else can write to it.
func private(st *unix.Stat_t) bool {
	return int(st.Uid) == unix.Geteuid() && st.Mode&0o022 == 0
}

func entryName(key []byte) string {
	return strconv.FormatUint(uint64(sum(key)), 16) + "-" + strconv.Itoa(len(key))
}

// sum is FNV-1a by words of eight bytes. The tables of hash/crc32 would cost time
// at every start of corten.
func sum(b []byte) uint32 {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	for ; len(b) >= 8; b = b[8:] {
		h = (h ^ le.Uint64(b)) * prime
		h ^= h >> 32 // the high half takes part in the next product
	}
	for _, c := range b {
		h = (h ^ uint64(c)) * prime
	}
	return uint32((h ^ h>>32) * prime >> 32)
}

func encodeEntry(key []byte, p Program) []byte {
	names := strings.Join(p.Unknown, "\n")
	b := make([]byte, headerSize, headerSize+len(key)+len(p.BPF)+len(names))
	copy(b, magic)
	le.PutUint32(b[12:], uint32(len(key)))
	le.PutUint32(b[16:], uint32(len(p.BPF)))
	le.PutUint32(b[20:], uint32(len(names)))
	b = append(append(append(b, key...), p.BPF...), names...)
	le.PutUint32(b[8:], sum(b[12:]))
	return b
}

func decodeEntry(b, key []byte) (p Program, ok bool) {
	if len(b) < headerSize || string(b[:8]) != magic || sum(b[12:]) != le.Uint32(b[8:]) {
		return p, false
	}
	nkey, nprogram, nnames := uint64(le.Uint32(b[12:])), uint64(le.Uint32(b[16:])), uint64(le.Uint32(b[20:]))
	if headerSize+nkey+nprogram+nnames != uint64(len(b)) {
		return p, false
	}
	b = b[headerSize:]
	if !bytes.Equal(b[:nkey], key) {
		return p, false
	}
	program, names := b[nkey:nkey+nprogram], b[nkey+nprogram:]
	if !validProgram(program) {
		return p, false
	}
	p.BPF = program
	if len(names) > 0 {
		p.Unknown = strings.Split(string(names), "\n")
	}
	return p, true
}
