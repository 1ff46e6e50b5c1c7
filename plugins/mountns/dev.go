package mountns

import (
	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/step"
)

// dev is a private /dev: what nearly every program opens, and nothing that belongs to the host. It is sealed, so that
// no program can put a file where others look for a device.
func dev(e Entry, target string) []plugin.Item {
	steps := []step.Step{step.Tmpfs{Target: target, Size: 1 << 20, Inodes: 64, Mode: 0o755, Sealed: true}}
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		steps = append(steps, step.Device{Target: target + "/" + name, Device: name})
	}
	for _, l := range devLinks {
		steps = append(steps, step.Link{Target: target + "/" + l.name, To: l.to})
	}
	items := make([]plugin.Item, 0, len(steps)+1)
	for _, s := range steps {
		items = append(items, plugin.At(s, "at", target, "dev"))
	}
	size := or(e.Shm, 16<<20)
	shm := step.Tmpfs{Target: target + "/shm", Size: int64(size), Inodes: inodes(size), Mode: 0o1777, NoExec: true}
	return append(items, plugin.At(shm, "at", target, "shm"))
}

// devLinks are the links that udev and every container runtime make: proc_pid_fd(5).
var devLinks = []struct{ name, to string }{
	{"fd", "/proc/self/fd"},
	{"stdin", "/proc/self/fd/0"},
	{"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"},
}
