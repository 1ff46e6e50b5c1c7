package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/step"
)

// environment is all that a planner has besides go-plugin's own variables: nothing of the caller's (G-06).
var environment = []string{"LANG=C.UTF-8", "PATH=/usr/bin:/bin"}

// A process is a planner's process, as go-plugin's runner.Runner. It lives no longer than its context.
type process struct {
	ctx    context.Context
	cancel context.CancelFunc
	exe    *executable
	env    []string
	dir    string // where its socket must be
	socket string // once it has told

	cmd            *exec.Cmd
	stdout, stderr *os.File // our ends

	done chan struct{} // closed when it is reaped
}

func newProcess(ctx context.Context, exe *executable) *process {
	p := &process{exe: exe, done: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// prepare takes go-plugin's part of the environment, and the directory that it made for the socket.
func (p *process) prepare(env []string, dir string) {
	p.env, p.dir = slices.Concat(environment, env), dir
}

// Start starts the process.
func (p *process) Start(context.Context) error {
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	defer outW.Close()
	errR, errW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, outR.Close())
	}
	defer errW.Close()
	p.stdout, p.stderr = outR, errR
	p.cmd = p.exe.command(p.env, outW, errW)
	started := make(chan error)
	go p.live(started)
	if err := <-started; err != nil {
		return errors.Join(err, outR.Close(), errR.Close())
	}
	return nil
}

// command is the process to be: the descriptor that was checked and hashed, not its path (G-02). The child has that
// descriptor until execve closes it.
func (x *executable) command(env []string, stdout, stderr *os.File) *exec.Cmd {
	return &exec.Cmd{
		Path:   fmt.Sprintf("/proc/self/fd/%d", x.file.Fd()),
		Args:   []string{prefix + x.Name},
		Env:    env,
		Dir:    "/",
		Stdin:  nil, // /dev/null, where go-plugin would hand over ours (G-07)
		Stdout: stdout,
		Stderr: stderr,
		SysProcAttr: &syscall.SysProcAttr{
			Setsid:    true, // no terminal, and a group of its own
			Pdeathsig: syscall.SIGKILL,
		},
	}
}

// live is the process's whole life, on one thread: PR_SET_PDEATHSIG fires when the thread that forked ends, and Go ends
// threads as it likes (G-08).
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	stop := context.AfterFunc(p.ctx, func() { p.cmd.Process.Kill() })
	defer stop()
	p.awaitEnd()
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // its children; the id is its own until it is reaped
	p.cmd.Wait()
	// A child that fled the group may hold the pipes: what is in them is read, no end of file awaited.
	p.stdout.SetReadDeadline(time.Now().Add(drain))
	p.stderr.SetReadDeadline(time.Now().Add(drain))
	close(p.done)
}

// drain is how long the last words of a dead process are read.
const drain = 100 * time.Millisecond

// awaitEnd waits without reaping.
func (p *process) awaitEnd() {
	for unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// ownEnd is how the process ended, if it does so within a time and not by our hand; otherwise nil.
func (p *process) ownEnd(within time.Duration) *os.ProcessState {
	if p.ID() == "" {
		return nil
	}
	select {
	case <-p.done:
	case <-time.After(within):
		return nil
	}
	end := p.cmd.ProcessState
	if ws := end.Sys().(syscall.WaitStatus); ws.Signaled() && ws.Signal() == syscall.SIGKILL && p.ctx.Err() != nil {
		return nil // we did
	}
	return end
}

// Wait waits until the process is reaped, and closes the pipes: go-plugin has read them by then.
func (p *process) Wait(context.Context) error {
	<-p.done
	return errors.Join(p.stdout.Close(), p.stderr.Close())
}

// Kill ends the process.
func (p *process) Kill(context.Context) error {
	p.cancel()
	return nil
}

// ID is the process's id, or empty as long as there is none.
func (p *process) ID() string {
	if p.cmd == nil || p.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(p.cmd.Process.Pid)
}

// Stdout carries the handshake.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// Stderr carries what the planner complains about.
func (p *process) Stderr() io.ReadCloser { return p.stderr }

// Name is the planner's file name.
func (p *process) Name() string { return prefix + p.exe.Name }

// Diagnose has nothing to add: failure.explain words it.
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost takes the address of the handshake: a socket in the private directory, nothing else (G-05).
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	if network != "unix" || filepath.Dir(addr) != p.dir {
		return "", "", fmt.Errorf("it listens at %s %s, not at a socket in $PLUGIN_UNIX_SOCKET_DIR", step.Quote(network), step.Quote(addr))
	}
	p.socket = addr
	return network, addr, nil
}

// HostToPlugin is for connections that planners never open.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

// dial connects to the planner, if it is one of our own user.
func (p *process) dial(ctx context.Context, _ string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", p.socket)
	if err != nil {
		return nil, err
	}
	if err := checkPeer(conn.(*net.UnixConn), os.Geteuid()); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// checkPeer checks SO_PEERCRED: unix(7).
func checkPeer(conn *net.UnixConn, uid int) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var peer *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		peer, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil || credErr != nil {
		return errors.Join(err, credErr)
	}
	if int(peer.Uid) != uid {
		return fmt.Errorf("uid %d answers at its socket", peer.Uid)
	}
	return nil
}
