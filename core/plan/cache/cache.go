// Package cache keeps plans, so that a warm `jail run` starts no planner and reads no profile.
//
//	c, err := cache.Open(dir)
//	p, err := c.Plan(ctx, name, func() (cache.Made, error) { return ask() })
//
// An entry lists all that the plan was made of, with what stat(2) said of it; an entry of which anything differs is made
// anew. The cache is fast, never trusted: a directory or a file that somebody else could have written is not used, a
// damaged entry is not there, and a plan out of it passes the same checks as any other.
package cache

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jail-sandbox/jail/core/plan"
)

// A Cache is a private directory of entries.
type Cache struct {
	dir *os.Root
}

// Made is a plan with all that it was made of.
type Made struct {
	Plan   *plan.Plan
	Inputs []Input
	At     int64 // when it was begun, ns since 1970
}

// maxEntry bounds what is read: no plan comes near it.
const maxEntry = 8 << 20

// Open opens the directory, and makes it where it is missing. It must be the caller's, closed to all others, and no link.
func Open(dir string) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	opened, err := root.Stat(".")
	if err == nil && !os.SameFile(info, opened) {
		err = fmt.Errorf("%s is a link, or changed", dir)
	}
	if err == nil {
		err = private(dir, opened)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return &Cache{root}, nil
}

// Close closes the directory.
func (c *Cache) Close() error { return c.dir.Close() }

// private says whether somebody else could have written a file or directory, or can read it.
func private(name string, info fs.FileInfo) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return fmt.Errorf("%s: no owner is known", name)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s belongs to uid %d", name, st.Uid)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s has mode %04o, others must be shut out (chmod go-rwx)", name, info.Mode().Perm())
	}
	return nil
}

// Name is the name of a key's entry: of all that decides which plan is asked for.
func Name(key ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(key, "\x00")))
	return hex.EncodeToString(sum[:16])
}

// Plan finds the entry of a name, or makes it. Of many processes that miss it at once, one makes it.
func (c *Cache) Plan(ctx context.Context, name string, create func() (Made, error)) (Made, error) {
	if made, err := c.find(name); err == nil {
		return made, nil
	}
	unlock, err := c.lock(ctx, name)
	if err != nil {
		return Made{}, &WriteError{err}
	}
	defer unlock()
	if made, err := c.find(name); err == nil {
		return made, nil
	}
	made, err := create()
	if err != nil {
		return Made{}, err
	}
	if err := errors.Join(c.store(name, Encode(made)), c.prune()); err != nil {
		return made, &WriteError{err}
	}
	return made, nil
}

// mostEntries bounds the cache: names may go with the directory that a run is started in.
const mostEntries = 256

// prune removes the oldest entries where there are too many.
func (c *Cache) prune() error {
	list, err := c.entries()
	if err != nil || len(list) <= mostEntries {
		return err
	}
	slices.SortFunc(list, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	for _, info := range list[mostEntries:] {
		for _, name := range []string{info.Name(), info.Name() + lockSuffix} {
			if err := c.dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// A WriteError means that the cache could not be written; a plan that comes with it is good.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return "the plan cache cannot be written: " + e.Err.Error() }
func (e *WriteError) Unwrap() error { return e.Err }

// find reads an entry that is sound, and as fresh as what it was made of.
func (c *Cache) find(name string) (Made, error) {
	data, err := c.read(name)
	if err != nil {
		return Made{}, err
	}
	made, err := Decode(data)
	if err != nil {
		return Made{}, err
	}
	return made, made.fresh()
}

// read reads an entry's file, which must be ours alone, under this one name, and no link.
func (c *Cache) read(name string) ([]byte, error) {
	f, err := c.dir.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := private(name, info); err != nil {
		return nil, err
	}
	if st := info.Sys().(*syscall.Stat_t); !info.Mode().IsRegular() || st.Nlink != 1 || info.Size() > maxEntry {
		return nil, fmt.Errorf("%s is no entry", name)
	}
	return io.ReadAll(io.LimitReader(f, maxEntry))
}

// store writes an entry under a name of its own and moves it in place: nobody ever sees half of one.
func (c *Cache) store(name string, data []byte) error {
	temp := name + "." + rand.Text()[:8] + tempSuffix
	f, err := c.dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = c.dir.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(err, c.dir.Remove(temp))
	}
	return nil
}

const (
	tempSuffix = ".tmp"
	lockSuffix = ".lock"
)

// lock waits for the entry's lock. The kernel lets go of it when its holder dies.
func (c *Cache) lock(ctx context.Context, name string) (unlock func(), err error) {
	f, err := c.dir.OpenFile(name+lockSuffix, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, err
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		}
	}
}

// lockPause is the time between two tries: a plan takes some 100 ms to make.
const lockPause = 5 * time.Millisecond

// An Entry is what List says of one.
type Entry struct {
	Name    string
	Profile string    // empty when the entry cannot be read
	Made    time.Time // of the file
	Size    int64     // bytes
	Fresh   bool      // the next run uses it
}

// List is what the cache has, by name.
func (c *Cache) List() ([]Entry, error) {
	list, err := c.entries()
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, info := range list {
		e := Entry{Name: info.Name(), Made: info.ModTime(), Size: info.Size()}
		if data, err := c.read(info.Name()); err == nil {
			if made, err := Decode(data); err == nil {
				e.Profile, e.Fresh = made.Plan.Profile, made.fresh() == nil
			}
		}
		out = append(out, e)
	}
	return out, nil
}

// entries are the files of entries: no locks, and nothing that is being written.
func (c *Cache) entries() ([]fs.FileInfo, error) {
	files, err := c.files()
	if err != nil {
		return nil, err
	}
	var out []fs.FileInfo
	for _, f := range files {
		if info, err := f.Info(); err == nil && !strings.Contains(f.Name(), ".") { // an error: it was removed meanwhile
			out = append(out, info)
		}
	}
	return out, nil
}

// Clear removes everything in the cache.
func (c *Cache) Clear() (n int, err error) {
	files, err := c.files()
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		if err := c.dir.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return n, err
		}
		if !strings.Contains(f.Name(), ".") {
			n++
		}
	}
	return n, nil
}

// files are all files of ours: entries, locks, and what a process left that was killed while it wrote.
func (c *Cache) files() ([]fs.DirEntry, error) {
	files, err := fs.ReadDir(c.dir.FS(), ".")
	return slices.DeleteFunc(files, func(f fs.DirEntry) bool {
		stem, _, _ := strings.Cut(f.Name(), ".")
		_, err := hex.DecodeString(stem)
		return err != nil || len(stem) != 32 || f.IsDir()
	}), err
}
