package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// An Input is a file that a plan was made of, or the absence of one.
type Input struct {
	Path         string
	Absent       bool
	Dev, Ino     uint64
	Size         int64
	Mtime, Ctime int64 // ns since 1970
}

// File is the input that a descriptor's stat describes.
func File(path string, info fs.FileInfo) Input {
	st := info.Sys().(*syscall.Stat_t)
	return Input{Path: path, Dev: st.Dev, Ino: st.Ino, Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano()}
}

// Missing is the input that nothing must be at a path.
func Missing(path string) Input { return Input{Path: path, Absent: true} }

// racy is git's rule: a file that changed within this of the entry's making may have changed again after it was read
// without its times telling.
const racy = 2 * time.Second

var errStale = errors.New("not fresh")

// fresh says whether everything that the plan was made of is as it was.
func (m *Made) fresh() error {
	for _, in := range m.Inputs {
		info, err := os.Stat(in.Path)
		if in.Absent {
			if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
				return fmt.Errorf("%w: %s is there", errStale, in.Path)
			}
			continue
		}
		if err != nil {
			return err
		}
		if File(in.Path, info) != in || in.Ctime > m.At-int64(racy) {
			return fmt.Errorf("%w: %s", errStale, in.Path)
		}
	}
	return nil
}
