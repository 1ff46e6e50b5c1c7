package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/launch"
	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/report"
	"github.com/jail-sandbox/jail/core/step"
)

// stdio is what the program gets as 0, 1 and 2. A regular file or a pipe of the caller's never reaches it: its owner inside
// could open it anew through /proc/self/fd, a file for writing, a pipe for reading what others write to it. They are at
// the other end of a pipe of ours.
type stdio struct {
	fds       launch.Stdio
	stdinFile string     // --stdin of a regular file: the launcher opens it itself, read-only
	children  []*os.File // ours to close once the jail has them
	held      []*os.File // opened for an option, given to the jail by number: they must not be collected before it has them
	copies    []*copying
	alive     *os.File // closed when everything in the jail is dead: what is not in its pipes by then never comes
	dead      *os.File // the other end of the pipe
}

// copying moves bytes between a file and the pipe to the program.
type copying struct {
	from, to *os.File
	name     string      // of the file, for messages
	in       bool        // towards the program
	output   output      // from, of an output
	limit    *step.Limit // of an output
	n        int64       // bytes that arrived
	over     bool        // there were more than the limit
	err      error
	done     chan struct{}
}

// A stream is one of the three, as the command line describes it.
type stream struct {
	fd    int
	name  string
	file  string // the option's value
	flags int    // to open it with
	read  bool
	limit *step.Limit // of what goes there
}

func openStdio(o options, p *plan.Plan) (*stdio, error) {
	s := &stdio{}
	var err error
	if s.dead, s.alive, err = os.Pipe(); err != nil {
		return nil, err
	}
	for _, st := range []stream{
		{0, "stdin", o.stdin, os.O_RDONLY, true, nil},
		{1, "stdout", o.stdout, os.O_WRONLY | os.O_CREATE | os.O_TRUNC, false, limitOf(p, "stdout")},
		{2, "stderr", o.stderr, os.O_WRONLY | os.O_CREATE | os.O_TRUNC, false, limitOf(p, "stderr")},
	} {
		if err := s.open(st, o.inheritFDs); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

func limitOf(p *plan.Plan, name string) *step.Limit {
	if l, ok := p.Limit(name); ok {
		return &l
	}
	return nil
}

// open finds out what a stream is and takes the way that is safe for it.
func (s *stdio) open(st stream, inherit bool) error {
	f, err := st.source()
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("%s: %w", st.name, err)
	}
	if st.file != "" {
		s.held = append(s.held, f)
		if err := unix.SetNonblock(int(f.Fd()), false); err != nil { // source opened it so, for FIFOs
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	mode := info.Mode()
	switch {
	case mode.IsDir():
		return fmt.Errorf("%s is a directory", st.name)
	case mode&os.ModeDevice != 0 && mode&os.ModeCharDevice == 0:
		return fmt.Errorf("%s is a block device", st.name)
	case mode&os.ModeNamedPipe != 0 && st.file != "":
		return fmt.Errorf("--%s %s is a FIFO: give it to jail as its own %s", st.name, step.Quote(st.file), st.name)
	case st.limit != nil: // what is counted goes through us, wherever it goes
		return s.pipe(st, f)
	case !mode.IsRegular() && mode&os.ModeNamedPipe == 0 || inherit && st.file == "":
		s.fds[st.fd] = int(f.Fd())
		return nil
	case st.read && st.file != "" && os.Getuid() != 0: // root's files may be closed to who jail will be
		s.stdinFile = st.file
		s.fds[st.fd] = int(f.Fd()) // replaced by the read-only one before the program has it
		return nil
	}
	if twin := s.sameOutput(st, f); twin >= 0 && s.copies[len(s.copies)-1].limit == nil {
		s.fds[st.fd] = s.fds[twin]
		return nil
	}
	return s.pipe(st, f)
}

// source is the option's file, or jail's own descriptor.
func (st stream) source() (*os.File, error) {
	if st.file != "" {
		f, err := os.OpenFile(st.file, st.flags|unix.O_NONBLOCK, 0o666) // for a FIFO, which is refused then
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", st.name, err)
		}
		return f, nil
	}
	if closedAtStart(st.fd) {
		return nil, fmt.Errorf("%s is closed: give it /dev/null", st.name)
	}
	return []*os.File{os.Stdin, os.Stdout, os.Stderr}[st.fd], nil
}

// sameOutput: where 2>&1 made both outputs one file, they stay one pipe, or their order would be lost.
func (s *stdio) sameOutput(st stream, f *os.File) int {
	for _, c := range s.copies {
		a, errA := c.to.Stat()
		b, errB := f.Stat()
		if !c.in && !st.read && errA == nil && errB == nil && os.SameFile(a, b) {
			return 1
		}
	}
	return -1
}

func (s *stdio) pipe(st stream, f *os.File) error {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return fmt.Errorf("%s: pipe: %w", st.name, err)
	}
	r, w := os.NewFile(uintptr(fds[0]), st.name), os.NewFile(uintptr(fds[1]), st.name)
	c := &copying{from: r, to: f, name: st.name, limit: st.limit, done: make(chan struct{})}
	child := w
	if st.read {
		c.from, c.to, c.in, child = f, w, true, r
	} else {
		c.output = output{fds[0], int(s.dead.Fd())}
		if err := unix.SetNonblock(fds[0], true); err != nil {
			return fmt.Errorf("%s: pipe: %w", st.name, err)
		}
	}
	s.copies = append(s.copies, c)
	s.children = append(s.children, child)
	s.fds[st.fd] = int(child.Fd())
	return nil
}

// start lets the bytes flow. The jail has its ends by now; ours of them are closed, so that an end is an end. Output past
// a limit that kills has kill called with the limit's name.
func (s *stdio) start(kill func(name string)) {
	for _, f := range s.children {
		f.Close()
	}
	s.children = nil
	for _, c := range s.copies {
		go c.run(kill)
	}
}

func (c *copying) run(kill func(name string)) {
	defer close(c.done)
	switch {
	case c.in:
		c.n, c.err = io.Copy(c.to, c.from)
	case c.limit == nil:
		c.n, c.err = io.Copy(c.to, c.output)
	default:
		c.copyLimited(kill)
	}
	if errors.Is(c.err, unix.EPIPE) { // who reads need not read it all; the program hears of it by SIGPIPE, too
		c.err = nil
	}
	if c.in {
		c.to.Close()
	} else {
		c.from.Close()
	}
}

// copyLimited lets the bytes up to the limit through, and reads the others for nothing: a program whose output is
// truncated must not notice.
func (c *copying) copyLimited(kill func(name string)) {
	c.n, c.err = io.Copy(c.to, io.LimitReader(c.output, c.limit.Value))
	if c.err != nil || c.n < c.limit.Value {
		return
	}
	if n, _ := c.output.Read(make([]byte, 1)); n == 0 {
		return
	}
	c.over = true
	if c.limit.Over == step.OverKill {
		kill(c.name)
	}
	_, c.err = io.Copy(io.Discard, c.output)
}

// output reads what a jail wrote to a pipe, until its end, or until nothing is left and everything in the jail is dead:
// somebody outside may hold the pipe's other end for ever.
type output struct{ pipe, dead int }

func (o output) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(o.pipe, b)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			return 0, io.EOF
		case errors.Is(err, unix.EINTR):
			continue
		case !errors.Is(err, unix.EAGAIN):
			return 0, err
		}
		fds := []unix.PollFd{{Fd: int32(o.pipe), Events: unix.POLLIN}, {Fd: int32(o.dead)}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, err
		}
		if fds[0].Revents == 0 && fds[1].Revents != 0 {
			return 0, io.EOF
		}
	}
}

// finish waits until what the program wrote is where it belongs, and counts it. Everything in the jail is dead: the
// pipes end. Of its input there may be more for ever; a reader of its output may take its time, until jail is to end.
func (s *stdio) finish(ctx context.Context, r *report.Result) []error {
	s.alive.Close()
	var errs []error
	for _, c := range s.copies {
		if c.in && !c.finished() {
			continue
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("%s: not all of it was taken", c.name))
			continue
		}
		n := c.n
		switch c.name {
		case "stdout":
			r.StdoutBytes, r.StdoutTruncated = &n, c.over
		case "stderr":
			r.StderrBytes, r.StderrTruncated = &n, c.over
		}
		if c.over && c.limit.Over == step.OverKill && r.Cause != report.CauseCancelled {
			r.EndedBy(c.name) // also when the program was faster than its end
		}
		if c.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, c.err))
		}
	}
	runtime.KeepAlive(s) // the copying knows the number of s.dead only
	return errs
}

// finished says whether there is nothing more to copy.
func (c *copying) finished() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (s *stdio) close() {
	for _, f := range s.children {
		f.Close()
	}
}
