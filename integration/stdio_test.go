package integration

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/report"
)

// The ways in and out carry bytes, whatever is at their other end.
func TestStreams(t *testing.T) {
	dir := workDir(t)
	input := ownFile(t, dir, "input", "one\ntwo\n")
	in, out, errs := filepath.Join(dir, "input"), filepath.Join(dir, "out"), filepath.Join(dir, "err")
	read := func(path string) string {
		data, err := os.ReadFile(path)
		check(t, err)
		return string(data)
	}
	t.Run("pipes", func(t *testing.T) {
		c := sh("cat; echo problem >&2")
		c.stdin = strings.NewReader("through a pipe")
		if e := jailed(t, c); e.out != "through a pipe" || e.err != "problem\n" {
			t.Errorf("%q, %q", e.out, e.err)
		}
	})
	t.Run("options", func(t *testing.T) {
		jailed(t, sh("cat; echo problem >&2", "--stdin", in, "--stdout", out, "--stderr", errs)).wantExit(t, 0)
		if read(out) != "one\ntwo\n" || read(errs) != "problem\n" {
			t.Errorf("%q, %q", read(out), read(errs))
		}
	})
	t.Run("redirections", func(t *testing.T) {
		e := jailed(t, withStdio(sh("cat; echo problem >&2"), fmt.Sprintf("<%s >%s 2>%s", in, out, errs)))
		e.wantExit(t, 0)
		if read(out) != "one\ntwo\n" || read(errs) != "problem\n" {
			t.Errorf("%q, %q", read(out), read(errs))
		}
		if e.StdoutBytes == nil || *e.StdoutBytes != 8 {
			t.Errorf("stdout_bytes is %v", e.StdoutBytes)
		}
	})
	t.Run("one file for both", func(t *testing.T) {
		script := `for i in 1 2 3 4 5; do echo $i; echo $i >&2; done`
		jailed(t, withStdio(sh(script), ">"+out+" 2>&1")).wantExit(t, 0)
		if got := read(out); got != "1\n1\n2\n2\n3\n3\n4\n4\n5\n5\n" {
			t.Errorf("%q", got)
		}
	})
	t.Run("appending", func(t *testing.T) {
		ownFile(t, dir, "out", "before\n")
		jailed(t, withStdio(sh("echo after"), ">>"+out)).wantExit(t, 0)
		if got := read(out); got != "before\nafter\n" {
			t.Errorf("%q", got)
		}
	})
	t.Run("unread input", func(t *testing.T) {
		jailed(t, withStdio(sh("exit 4"), "</dev/zero")).wantExit(t, 4)
		jailed(t, sh("exec head -c 1 >/dev/null", "--stdin", input)).wantExit(t, 0)
	})
}

// A hundred megabytes arrive as they are, both ways: through pipes, and through files.
func TestBigStreams(t *testing.T) {
	const size = 100 << 20
	dir := workDir(t)
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * i >> 7)
	}
	in, err := os.Create(filepath.Join(dir, "in"))
	check(t, err)
	defer in.Close()
	want := sha256.New()
	for range size / len(block) {
		_, err := io.MultiWriter(in, want).Write(block)
		check(t, err)
	}
	for _, row := range []struct {
		name string
		opts []string
		via  string
	}{
		{"pipes", nil, "< <(cat %s/in) | cat >%s/out"},
		{"redirections", nil, "<%s/in >%s/out"},
		{"options", []string{"--stdin", dir + "/in", "--stdout", dir + "/out"}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			redirections := row.via
			if redirections != "" {
				redirections = fmt.Sprintf(row.via, dir, dir)
			}
			e := jailed(t, withStdio(sh("exec cat", row.opts...), redirections))
			if e.Cause != report.CauseExit {
				t.Fatalf("ended by %s: %s", e.Cause, e.err)
			}
			out, err := os.ReadFile(filepath.Join(dir, "out"))
			check(t, err)
			if got := sha256.Sum256(out); !bytes.Equal(got[:], want.Sum(nil)) {
				t.Errorf("%d bytes that are not the same arrived", len(out))
			}
		})
	}
}

// A file of the caller's cannot be opened anew through its descriptor: its bytes stay as they were, and what was before the
// descriptor's place in it stays unread.
func TestFilesCannotBeReopened(t *testing.T) {
	dir := workDir(t)
	const before = "line the caller has read\n"
	const attack = `for fd in 0 1 2; do
		(echo overwritten >/proc/self/fd/$fd) 2>/dev/null
		(echo overwritten >>/proc/self/fd/$fd) 2>/dev/null
		(: <>/proc/self/fd/$fd) 2>/dev/null
		truncate -s 0 /proc/self/fd/$fd 2>/dev/null
		chmod 777 /proc/self/fd/$fd 2>/dev/null
	done; true`
	for _, row := range []struct {
		name    string
		opts    []string
		via     string
		changed bool
	}{
		{"--stdin", []string{"--stdin", dir + "/f"}, "", false},
		{"<", nil, "<" + dir + "/f", false},
		{"<>", nil, "<>" + dir + "/f", false},
		{"inherited", []string{"--inherit-fds"}, "<" + dir + "/f", true}, // the control: this is asked for
	} {
		t.Run(row.name, func(t *testing.T) {
			file := ownFile(t, dir, "f", before)
			jailed(t, withStdio(sh(attack, row.opts...), row.via+" >/dev/null 2>&1")).wantExit(t, 0)
			data, err := os.ReadFile(file)
			check(t, err)
			info, err := os.Stat(file)
			check(t, err)
			if changed := string(data) != before || info.Mode().Perm() != 0o600; changed != row.changed {
				t.Errorf("the file is %q, %s", data, info.Mode())
			}
		})
	}
	t.Run("output", func(t *testing.T) {
		file := ownFile(t, dir, "f", before)
		e := jailed(t, withStdio(sh("timeout 0.2 cat /proc/self/fd/1; truncate -s 0 /proc/self/fd/1"), ">>"+file+" </dev/null 2>/dev/null"))
		data, err := os.ReadFile(file)
		check(t, err)
		if string(data) != before {
			t.Errorf("the file is %q: %s", data, e.err)
		}
	})
}

// F-03: what other writers put into the caller's pipe is not for the program to read.
func TestBugPipeCanBeReopenedForReading(t *testing.T) {
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	_, err = w.WriteString("the neighbour's secret\n")
	check(t, err)
	if os.Getuid() == 0 { // as if the caller had made it
		check(t, w.Chown(outsider, outsider))
	}
	c := sh("exec 9</proc/self/fd/1; timeout 1 head -c 22 <&9 >&2")
	c.out = w
	e := jailed(t, c)
	check(t, w.Close())
	if rest, err := io.ReadAll(r); err != nil || !strings.HasPrefix(string(rest), "the neighbour's secret\n") {
		t.Errorf("the program read %q, and left %q", e.err, rest)
	}
}

// What standard streams must not be, and what is said then.
func TestRefusedStreams(t *testing.T) {
	dir := workDir(t)
	for _, row := range []struct {
		name, via string
		opts      []string
		want      string
	}{
		{"stdin closed", "<&-", nil, "stdin is closed"},
		{"stdout closed", ">&-", nil, "stdout is closed"},
		{"stdin a directory", "<" + dir, nil, "stdin is a directory"},
		{"--stdin a directory", "", []string{"--stdin", dir}, "stdin is a directory"},
		{"--stdin missing", "", []string{"--stdin", dir + "/no"}, "no such file"},
		{"--stdout in no directory", "", []string{"--stdout", dir + "/no/out"}, "no such file"},
		{"--stdout a directory", "", []string{"--stdout", dir}, "is a directory"},
		{"--stderr not writable", "", []string{"--stderr", "/etc/passwd"}, "permission denied"},
	} {
		t.Run(row.name, func(t *testing.T) {
			jailed(t, withStdio(sh("touch /work/x", row.opts...), row.via)).wantRefused(t, row.want)
		})
	}
	e := jailed(t, withStdio(sh("true"), "2>&-"))
	if e.code != report.ExitSetup || e.Setup == nil || !strings.Contains(e.Setup.Text, "stderr is closed") {
		t.Errorf("stderr closed: ended with %d, %+v", e.code, e.Setup)
	}
}

// A stream that does not do what it is for is not passed over.
func TestBugUnreadableStdinIsSilent(t *testing.T) {
	file := ownFile(t, workDir(t), "f", "text")
	e := jailed(t, withStdio(sh("cat"), "0>>"+file))
	if !strings.Contains(e.err, "stdin") {
		t.Errorf("ended with %d, said %q", e.code, e.err)
	}
}

func TestFullOutput(t *testing.T) {
	t.Run("device", func(t *testing.T) { // the program's own business
		e := jailed(t, withStdio(sh("echo x"), ">/dev/full"))
		if e.Cause != report.CauseExit || e.code == 0 || !strings.Contains(e.err, "echo") {
			t.Errorf("ended with %d by %s, said %q", e.code, e.Cause, e.err)
		}
	})
	t.Run("file", func(t *testing.T) { // jail's: the bytes went through it
		c := withStdio(sh("head -c 1000000 /dev/zero"), ">"+filepath.Join(workDir(t), "out"))
		c.wrap[2] = `ulimit -f 100; trap "" XFSZ; ` + c.wrap[2]
		e := jailed(t, c)
		if !strings.Contains(e.err, "stdout: write") || len(e.Notes) == 0 {
			t.Errorf("ended with %d, notes %q, said %q", e.code, e.Notes, e.err)
		}
	})
}

// A FIFO as input blocks the program, not jail.
func TestBlockedInput(t *testing.T) {
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	defer w.Close()
	c := sh("cat", "--limit", "wall=200ms")
	c.prep = func(cmd *exec.Cmd) { cmd.Stdin = r }
	e := jailed(t, c)
	if e.Cause != report.CauseWall {
		t.Errorf("ended with %d by %s: %s", e.code, e.Cause, e.err)
	}
}

// A --stdin that is a FIFO without a writer is no reason to hang for ever.
func TestBugStdinFIFOHangs(t *testing.T) {
	fifo := filepath.Join(workDir(t), "fifo")
	check(t, unix.Mkfifo(fifo, 0o600))
	check(t, giveAway(fifo))
	c := sh("cat", "--stdin", fifo, "--limit", "wall=200ms")
	c.wrap = []string{"timeout", "3"}
	if e := jailed(t, c); e.code == 124 && e.Format == "" {
		t.Error("hung")
	}
}

// --result where it cannot be: said before the program starts.
func TestRefusedResults(t *testing.T) {
	dir := workDir(t)
	readOnly := ownFile(t, dir, "r", "")
	for _, row := range []struct{ name, result, via, want string }{
		{"no directory", dir + "/no/result", "", "no such file"},
		{"a directory", dir, "", "is a directory"},
		{"not ours", "/etc/passwd", "", "permission denied"},
		{"no descriptor", "fd:77", "", "bad file descriptor"},
		{"no number", "fd:x", "", "a descriptor's number is wanted"},
		{"read-only", "fd:5", "5<" + readOnly, "not open for writing"},
		{"full", "/dev/full", "", "no space left"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := withStdio(call{}, row.via)
			c.argv = append(append(c.wrap, site.jail, "run"), append(planned("default"), "--result", row.result, "--", "echo", "started")...)
			e := outside(t, c)
			e.wantRefused(t, row.want)
			if e.out != "" && row.name != "full" {
				t.Errorf("the program was started: %q", e.out)
			}
		})
	}
}

// Output limits: the bytes up to them arrive, exactly, and what happens then is what was asked.
func TestOutputLimits(t *testing.T) {
	const flood = `head -c 3000000 /dev/zero`
	for _, row := range []struct {
		name, limit, script string
		cause               string
		code                int
		bytes               int64
		truncated           bool
	}{
		{"below", "stdout=1MiB", "head -c 1048575 /dev/zero; exit 3", "exit", 3, 1048575, false},
		{"just", "stdout=1MiB", "head -c 1048576 /dev/zero; exit 3", "exit", 3, 1048576, false},
		{"one more", "stdout=1MiB", "head -c 1048577 /dev/zero; sleep 100", "stdout", 124, 1048576, true},
		{"one more, and gone", "stdout=1MiB", "head -c 1048577 /dev/zero", "stdout", 124, 1048576, true},
		{"a flood", "stdout=10KiB", "yes", "stdout", 124, 10240, true},
		{"nothing", "stdout=0", "echo; sleep 100", "stdout", 124, 0, true},
		{"truncated", "stdout=1MiB,truncate", flood + "; exit 3", "exit", 3, 1048576, true},
		{"a grandchild's", "stdout=1KiB", "(setsid yes) & sleep 100", "stdout", 124, 1024, true},
		{"stderr", "stderr=1KiB", "yes >&2", "stderr", 124, 0, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			e := jailed(t, sh(row.script, "--limit", row.limit))
			if e.Cause != row.cause || e.code != row.code || int64(len(e.out)) != row.bytes || e.StdoutTruncated != row.truncated {
				t.Errorf("ended with %d by %s, %d bytes, truncated %v\n%s", e.code, e.Cause, len(e.out), e.StdoutTruncated, clip(e.err))
			}
			if e.StdoutBytes == nil || *e.StdoutBytes != row.bytes {
				t.Errorf("the result has %v bytes", e.StdoutBytes)
			}
		})
	}
}

// The limit on files is exact, and told apart from a signal of the program's own.
func TestFileSizeLimit(t *testing.T) {
	e := jailed(t, sh("head -c 2000000 /dev/zero >/work/f; ls -l /work/f | cut -d' ' -f5; head -c 2000000 /dev/zero | exec dd of=/work/g bs=64k status=none", "--limit", "file_size=1MiB"))
	if e.out != "1048576\n" {
		t.Errorf("the file has %q bytes: %s", e.out, e.err)
	}
	e = jailed(t, call{opts: append(planned("default"), "--limit", "file_size=1MiB"), argv: []string{"dd", "if=/dev/zero", "of=/work/f", "bs=64k", "count=17"}})
	if e.Cause != report.CauseFileSize || e.code != report.ExitLimit || e.Signal == nil || *e.Signal != int(unix.SIGXFSZ) {
		t.Errorf("ended with %d by %s: %s", e.code, e.Cause, e.err)
	}
}

// A reader of the output who stands still does not keep jail from ending, when it is asked to.
func TestStalledReader(t *testing.T) {
	r, w, err := os.Pipe()
	check(t, err)
	defer r.Close()
	defer w.Close()
	c := sh("head -c 1000000 /dev/zero; echo over >&2")
	c.out = w
	said, sayer, err := os.Pipe()
	check(t, err)
	defer said.Close()
	c.prep = func(cmd *exec.Cmd) { cmd.Stderr = sayer }
	c.begun = func(p *os.Process) {
		go func() {
			defer sayer.Close()
			time.Sleep(500 * time.Millisecond) // the program hangs in its write, or is dead
			p.Signal(unix.SIGTERM)
		}()
	}
	if e := jailed(t, c); e.Cause != report.CauseCancelled || e.code != 143 {
		t.Errorf("ended with %d by %s", e.code, e.Cause)
	}
}

// Somebody outside who holds the program's output open does not keep jail from ending.
func TestOutputHeldOpen(t *testing.T) {
	ours, theirs, err := socketPair()
	check(t, err)
	defer ours.Close()
	const script = `
import socket, sys
socket.send_fds(socket.socket(fileno=0), [b"x"], [1])
print("sent")`
	c := call{opts: append(planned("python"), "--limit", "stdout=1MiB"), argv: []string{"python3", "-c", script}}
	c.prep = func(cmd *exec.Cmd) { cmd.Stdin = theirs }
	e := jailed(t, c)
	e.wantExit(t, 0)
	if e.out != "sent\n" {
		t.Errorf("printed %q", e.out)
	}
}

func socketPair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	return os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs"), err
}
