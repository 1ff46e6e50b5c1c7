package mountns

import (
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/plugin/plugintest"
	"github.com/jail-sandbox/jail/core/step"
)

func TestPlan(t *testing.T) { plugintest.Run(t, Planner{}, "testdata") }

func TestRejectsPaths(t *testing.T) {
	long := "/" + strings.Repeat("a", 4095)
	plugintest.Rejects(t, Planner{}, []plugintest.Row{
		{`at = {"usr" = {bind = "/usr"}}`, "at.usr", `write "/usr"`},
		{`at = {"/usr/../etc" = {bind = "/etc"}}`, `at."/usr/../etc"`, `write "/etc"`},
		{`at = {"/usr/" = {bind = "/usr"}}`, `at."/usr/"`, `write "/usr"`},
		{`at = {"/./usr" = {bind = "/usr"}}`, `at."/./usr"`, `write "/usr"`},
		{`at = {"" = {bind = "/usr"}}`, `at.""`, "empty path"},
		{`at = {"/" = {bind = "/"}}`, `at."/"`, "the root itself"},
		{`at = {"/.." = {bind = "/"}}`, `at."/.."`, ".. component"},
		{`at = {"/a\u0000b" = {bind = "/usr"}}`, `at."/a\\x00b"`, "NUL"},
		{`at = {"` + long + `" = {bind = "/usr"}}`, step.KeyString([]string{"at", long}), "4096 bytes"},
		{`at = {"/x" = {bind = "usr"}}`, `at."/x".bind`, "relative"},
		{`at = {"/x" = {bind = "/a/../b"}}`, `at."/x".bind`, ".. component"},
		{`at = {"/x" = {bind = "$CWD/../b"}}`, `at."/x".bind`, ".. component"},
		{`at = {"/x" = {bind = "$TMP/b"}}`, `at."/x".bind`, "unknown slot"},
		{`at = {"/x" = {bind = ""}}`, `at."/x".bind`, "empty path"},
		{`at = {"/x" = {bind = "/a\u0000b"}}`, `at."/x".bind`, "NUL"},
		{`at = {"/x" = {bind = "` + long + `"}}`, `at."/x".bind`, "4096 bytes"},
		{`at = {"/x" = {bind = "/proc"}}`, `at."/x".bind`, "a jail has its own"},
		{`at = {"/x" = {link = ""}}`, `at."/x".link`, "cannot be made"},
		{`at = {"/x" = {link = "a\u0000"}}`, `at."/x".link`, "cannot be made"},
	})
}

func TestRejectsEntries(t *testing.T) {
	plugintest.Rejects(t, Planner{}, []plugintest.Row{
		{`At = {}`, "At", `did you mean "at"?`},
		{`root = "1MB"`, "root", `write "1MiB"`},
		{`root = 0`, "root", "size is 0"},
		{`root_inodes = 1`, "root", "inodes is 1"},
		{`at = 1`, "at", "a table is wanted"},
		{`at = {"/x" = true}`, `at."/x"`, "a table is wanted"},
		{`at = {"/x" = "/usr"}`, `at."/x"`, "a table is wanted"},
		{`at = {"/x" = {}}`, `at."/x"`, "one of bind, tmpfs, work, file, link, dev"},
		{`at = {"/x" = {rw = true}}`, `at."/x"`, "does not say what is there"},
		{`at = {"/x" = {bind = "/x", tmpfs = "1MiB"}}`, `at."/x"`, "is both bind and tmpfs"},
		{`at = {"/x" = {bnd = "/x"}}`, `at."/x".bnd`, `did you mean "bind"?`},
		{`at = {"/x" = {bind = 7}}`, `at."/x".bind`, "a string is wanted"},
		{`at = {"/x" = {bind = "/x", rw = "yes"}}`, `at."/x".rw`, "a boolean is wanted"},
		{`at = {"/x" = {bind = "/x", inodes = 7}}`, `at."/x".inodes`, "does not go with bind (rw, noexec, optional would)"},
		{`at = {"/x" = {tmpfs = "1MiB", rw = true}}`, `at."/x".rw`, "does not go with tmpfs"},
		{`at = {"/x" = {work = "1MiB", mode = "0700"}}`, `at."/x".mode`, "does not go with work"},
		{`at = {"/x" = {file = "", noexec = true}}`, `at."/x".noexec`, "does not go with file"},
		{`at = {"/x" = {link = "y", optional = true}}`, `at."/x".optional`, "does not go with link (nothing does)"},
		{`at = {"/x" = {dev = true, mode = "0700"}}`, `at."/x".mode`, "does not go with dev"},
		{`at = {"/x" = {dev = false}}`, `at."/x".dev`, "is false"},
		{`at = {"/x" = {dev = true, shm = "1KiB"}}`, `at."/x".shm`, "size is 1024"},
		{`at = {"/x" = {tmpfs = "16"}}`, `at."/x".tmpfs`, "size is 16"},
		{`at = {"/x" = {tmpfs = -1}}`, `at."/x".tmpfs`, "not a size"},
		{`at = {"/x" = {tmpfs = "1MiB", inodes = 0}}`, `at."/x".tmpfs`, "inodes is 0"},
		{`at = {"/x" = {tmpfs = "1MiB", mode = 0o755}}`, `at."/x".mode`, `"0755"`},
		{`at = {"/x" = {tmpfs = "1MiB", mode = "0799"}}`, `at."/x".mode`, "not a mode"},
		{`at = {"/x" = {tmpfs = "1MiB", mode = "4755"}}`, `at."/x".tmpfs`, "set-id"},
		{`at = {"/x" = {file = "` + strings.Repeat("x", 64<<10+1) + `"}}`, `at."/x".file`, "65537 bytes"},
		{`at = {"/v" = {work = "1MiB"}, "/w" = {work = "1MiB"}}`, `at."/w"`, "the first is /v"},
		{`at = {"/dev" = {dev = true}, "/dev/shm" = {tmpfs = "1MiB"}}`, `at."/dev/shm"`, "makes /dev/shm already"},
	})
}
