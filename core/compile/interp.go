package compile

import (
	"bytes"
	"debug/elf"
	"os"
	"strings"
	"syscall"
)

// maxPath is what the kernel takes for an interpreter: PATH_MAX.
const maxPath = 4096

// interpreter is the program that the kernel needs to run a file: its #! line's, or its dynamic loader. Empty: none.
func interpreter(file string) string {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() { // it may be the program's own doing
		return ""
	}
	head := make([]byte, 256) // BINPRM_BUF_SIZE
	n, _ := f.ReadAt(head, 0)
	if line, ok := bytes.CutPrefix(head[:n], []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		fields := strings.Fields(string(line))
		if len(fields) == 0 {
			return ""
		}
		return fields[0]
	}
	bin, err := elf.NewFile(f)
	if err != nil {
		return ""
	}
	for _, p := range bin.Progs {
		if p.Type == elf.PT_INTERP && p.Filesz < maxPath {
			name := make([]byte, p.Filesz)
			if _, err := p.ReadAt(name, 0); err == nil {
				return strings.TrimRight(string(name), "\x00")
			}
		}
	}
	return ""
}
