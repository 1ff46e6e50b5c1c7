package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// status reads "Name:\tvalue" lines.
func status(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		out[name] = strings.Join(strings.Fields(value), " ")
	}
	return out
}

const noCaps = "0000000000000000"

// What /proc/self/status must say in every profile, whatever the caller's state: N-06, F-08, S-01.
func TestStatus(t *testing.T) {
	want := map[string]string{
		"Uid": "0 0 0 0", "Gid": "0 0 0 0", "Umask": "0022", "TracerPid": "0", "NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "1",
		"CapInh": noCaps, "CapPrm": noCaps, "CapEff": noCaps, "CapBnd": noCaps, "CapAmb": noCaps,
		"SigBlk": noCaps, "SigIgn": noCaps, "SigPnd": noCaps, "ShdPnd": noCaps,
	}
	callers := []struct {
		name string
		wrap []string
	}{
		{"plain", nil},
		{"ignored signals", []string{"sh", "-c", `trap "" HUP PIPE CHLD TERM USR1; exec "$@"`, "sh"}},
		{"blocked signals", []string{"perl", "-MPOSIX=:signal_h", "-e",
			`sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1, 10, 13, 15, 17)) or die; exec @ARGV`}},
		{"umask 0", []string{"sh", "-c", `umask 0; exec "$@"`, "sh"}},
		{"no_new_privs", []string{"setpriv", "--no-new-privs"}},
	}
	for _, caller := range callers {
		t.Run(caller.name, func(t *testing.T) {
			e := jailed(t, call{wrap: caller.wrap, opts: planned("default"), argv: []string{"cat", "/proc/self/status"}})
			e.wantExit(t, 0)
			got := status(e.out)
			for name, value := range want {
				if got[name] != value {
					t.Errorf("%s is %q, want %q", name, got[name], value)
				}
			}
		})
	}
}

// A single value that the program reads, and what it must be.
func TestState(t *testing.T) {
	uid := callerID()
	for _, row := range []struct{ name, script, want string }{
		{"uid_map", "cat /proc/self/uid_map | tr -s ' '", fmt.Sprintf(" 0 %d 1\n", uid)},
		{"gid_map", "cat /proc/self/gid_map | tr -s ' '", fmt.Sprintf(" 0 %d 1\n", max(uid, os.Getgid()))},
		{"setgroups", "cat /proc/self/setgroups", "deny\n"},
		{"cgroup root", "cut -d: -f3 /proc/self/cgroup | sort -u", "/\n"},
		{"descriptors", "exec ls /proc/self/fd", "0\n1\n2\n3\n"}, // 3 is ls's own, of the directory
		{"processes", "echo /proc/[0-9]*", "/proc/2\n"},
		{"sysfs", "ls /sys", ""},
		{"proc", "cd /proc && echo [a-z]*", "self thread-self\n"},
		{"root", "cd / && echo *", "bin dev etc lib lib64 proc sbin tmp usr work\n"},
		{"etc", "cd /etc && echo *", "alternatives group hosts ld.so.cache nsswitch.conf passwd resolv.conf\n"},
		{"dev", "cd /dev && echo *", "fd full null random shm stderr stdin stdout urandom zero\n"},
		{"dev null", "echo gone >/dev/null && wc -c </dev/null", "0\n"},
		{"dev full", "(echo x >/dev/full) 2>/dev/null || echo refused", "refused\n"},
		{"cwd", "pwd", "/work\n"},
		{"parent of root", "cd /../../../.. && pwd", "/\n"},
		{"umask", "umask", "0022\n"},
		{"environment", "env -u PWD | sort", "HOME=/work\nLANG=C.UTF-8\nPATH=/usr/local/bin:/usr/bin:/bin\n"},
		{"hostname", "uname -n", "jail\n"},
		{"network", "ls /sys/class/net /proc/net/dev; cat /proc/self/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '", "lo\n"},
		{"routes and sockets", "tail -qn +2 /proc/self/net/route /proc/self/net/unix", ""},
		{"oom_score_adj", "cat /proc/self/oom_score_adj", "0\n"},
		{"nice and tty", "cut -d' ' -f7,19 /proc/self/stat", "0 0\n"},
		{"own files", "touch /work/a /tmp/b /dev/shm/c && rm /work/a /tmp/b /dev/shm/c && echo ok", "ok\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := sh(row.script + " 2>/dev/null")
			c.env = []string{"SECRET_TOKEN=1", "LD_PRELOAD="}
			if e := jailed(t, c); e.out != row.want {
				t.Errorf("got %q, want %q\nstderr: %s", e.out, row.want, e.err)
			}
		})
	}
}

// N-01: all seven namespaces are others than the caller's.
func TestNamespaces(t *testing.T) {
	e := jailed(t, sh("cd /proc/self/ns && for n in user pid net mnt ipc uts cgroup; do readlink $n; done"))
	e.wantExit(t, 0)
	links := strings.Fields(e.out)
	if len(links) != 7 {
		t.Fatalf("got %q", e.out)
	}
	for i, name := range []string{"user", "pid", "net", "mnt", "ipc", "uts", "cgroup"} {
		ours, err := os.Readlink("/proc/self/ns/" + name)
		check(t, err)
		if links[i] == ours || !strings.HasPrefix(links[i], name+":[") {
			t.Errorf("inside %s, outside %s", links[i], ours)
		}
	}
}

var device = regexp.MustCompile(`^/dev/(full|null|random|urandom|zero)$`)

// M-01, M-04, M-12: the mounts are the plan's, each with the flags that it must have, none tied to the host's.
func TestMounts(t *testing.T) {
	e := jailed(t, sh("cat /proc/self/mountinfo"))
	e.wantExit(t, 0)
	var points []string
	for line := range strings.Lines(e.out) {
		fields := strings.Fields(line)
		point, options := fields[4], strings.Split(fields[5], ",")
		points = append(points, point)
		if !slices.Contains(options, "nosuid") || !slices.Contains(options, "nodev") && !device.MatchString(point) {
			t.Errorf("%s lacks nosuid or nodev: %s", point, options)
		}
		writable := slices.Contains([]string{"/dev/shm", "/proc", "/tmp", "/work"}, point)
		if writable != slices.Contains(options, "rw") {
			t.Errorf("%s is %s", point, options[0])
		}
		if fields[6] != "-" {
			t.Errorf("%s is tied to another mount: %s", point, fields[6])
		}
	}
	slices.Sort(points)
	want := []string{"/", "/dev", "/dev/full", "/dev/null", "/dev/random", "/dev/shm", "/dev/urandom", "/dev/zero", "/etc/alternatives",
		"/etc/ld.so.cache", "/proc", "/tmp", "/usr", "/work"}
	if !slices.Equal(points, want) {
		t.Errorf("mounts at %q,\nwant %q", points, want)
	}
}

// The limits of a profile that names two of them, with the caller's hard limits above all.
func TestRlimits(t *testing.T) {
	e := jailed(t, sh("cat /proc/self/limits"))
	e.wantExit(t, 0)
	got := regexp.MustCompile(`(?m)^Max (processes|pending signals) .*\n`).ReplaceAllString(e.out, "") // sized by the host's memory
	golden(t, "limits.golden", got)
}

// The jail never runs before others, nor is it spared when memory ends.
func TestPriority(t *testing.T) {
	for _, row := range []struct {
		name string
		wrap []string
		want string
	}{
		{"nice 5", []string{"nice", "-n", "5"}, "5 0\n"},
		{"oom_score_adj 300", []string{"sh", "-c", `echo 300 >/proc/self/oom_score_adj; exec "$@"`, "sh"}, "0 300\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := sh("echo $(cut -d' ' -f19 /proc/self/stat) $(cat /proc/self/oom_score_adj)")
			c.wrap = row.wrap
			if e := jailed(t, c); e.out != row.want {
				t.Errorf("nice and oom_score_adj are %q, want %q\n%s", e.out, row.want, e.err)
			}
		})
	}
}

// A caller that root has put before all others hands on none of it.
func TestProtectedCaller(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("an ordinary user cannot be protected: nothing to test")
		return
	}
	c := sh("echo $(cut -d' ' -f19 /proc/self/stat) $(cat /proc/self/oom_score_adj)")
	c.wrap = []string{"setpriv", "--reuid", strconv.Itoa(outsider), "--regid", strconv.Itoa(outsider), "--clear-groups"}
	c.prep = func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		// A root without CAP_SYS_RESOURCE may only set the nice value.
		cmd.Args = append([]string{"sh", "-c", `(echo -500 >/proc/self/oom_score_adj) 2>/dev/null; exec nice -n -5 "$@"`, "sh"}, cmd.Args...)
		cmd.Path = "/bin/sh"
	}
	e := jailed(t, c)
	if e.out != "0 0\n" {
		t.Errorf("nice and oom_score_adj are %q, want 0 0\n%s", e.out, e.err)
	}
}

// F-01: descriptors of every kind, at all numbers, stay outside.
func TestNoDescriptorLeaks(t *testing.T) {
	script := `
		exec 10</ 63</etc/passwd 255</proc/self/ns/net 4<>/dev/null
		exec perl -MFcntl -MSocket -MPOSIX -e '
			$^F = 100000;
			socket(S, AF_UNIX, SOCK_STREAM, 0) or die;
			POSIX::dup2(fileno(S), 900) or die;
			my $m = syscall(319, my $n = "memfd", 0); $m >= 0 or die; POSIX::dup2($m, 901);
			my $e = syscall(284, 0); $e >= 0 or die; POSIX::dup2($e, 902);
			my $p = syscall(434, $$ + 0, 0); $p >= 0 or die; POSIX::dup2($p, 1023);
			exec @ARGV' "$@"`
	c := call{wrap: []string{"bash", "-c", script, "bash"}, opts: planned("default"), argv: []string{"ls", "/proc/self/fd"}}
	e := jailed(t, c)
	e.wantExit(t, 0)
	if e.out != "0\n1\n2\n3\n" {
		t.Errorf("descriptors inside: %q", e.out)
	}
	// The control: the same caller hands them all to a program that is not jailed.
	c.wrap = append(c.wrap, "ls", "/proc/self/fd")
	c.argv = nil
	if e := outside(t, call{argv: c.wrap}); !strings.Contains(e.out, "1023\n") || !strings.Contains(e.out, "255\n") {
		t.Errorf("the caller leaks nothing: %q", e.out)
	}
}

// N-05: the result lists the supplementary groups that a one-line map keeps.
func TestGroupsAreReported(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("an ordinary user cannot add groups: nothing to test")
		return
	}
	c := sh("true")
	c.prep = func(cmd *exec.Cmd) { cmd.SysProcAttr.Credential.Groups = []uint32{4242} }
	if e := jailed(t, c); !slices.Equal(e.Groups, []int{4242}) {
		t.Errorf("groups are %v, want [4242]", e.Groups)
	}
}

// CVE-2017-5226, F-06: under a terminal the program has no controlling one, and cannot type into it.
func TestTerminal(t *testing.T) {
	master, slave := openPTY(t)
	defer master.Close()
	done := make(chan string)
	go func() { done <- readAll(master) }()
	c := sh("cut -d' ' -f7 /proc/self/stat; (: </dev/tty) 2>/dev/null || echo none; [ -t 0 ] && echo terminal; true <>/proc/self/fd/0; cut -d' ' -f7 /proc/self/stat")
	c.stdin, c.out = slave, slave
	c.prep = func(cmd *exec.Cmd) {
		cmd.Stderr = slave
		cmd.SysProcAttr.Setsid, cmd.SysProcAttr.Setctty = true, true
	}
	e := jailed(t, c)
	e.wantExit(t, 0)
	check(t, slave.Close())
	got := strings.ReplaceAll(<-done, "\r", "")
	if want := "0\nnone\nterminal\n0\n"; got != want {
		t.Errorf("inside a terminal: %q, want %q", got, want)
	}
}

func openPTY(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	check(t, err)
	check(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	check(t, err)
	name := fmt.Sprintf("/dev/pts/%d", n)
	check(t, giveAway(name)) // as a login does
	slave, err = os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	check(t, err)
	return master, slave
}

// readAll reads until the other end is gone, which a terminal says with an error.
func readAll(f *os.File) string {
	var out []byte
	buf := make([]byte, 4096)
	for {
		n, err := f.Read(buf)
		out = append(out, buf[:n]...)
		if err != nil {
			return string(out)
		}
	}
}

// CVE-2024-21626, F-07: the working directory is inside, whatever the caller's is.
func TestWorkingDirectory(t *testing.T) {
	hidden, gone := workDir(t), filepath.Join(workDir(t), "gone")
	check(t, makeOwn(gone))
	for _, row := range []struct {
		name, dir string
		wrap      []string
		opts      []string
		want      string
	}{
		{"not visible", hidden, nil, nil, "/work\n"},
		{"visible", hidden, nil, []string{"--bind", hidden}, hidden + "\n"},
		{"below /usr", "/usr/lib", nil, nil, "/usr/lib\n"},
		{"removed", gone, []string{"sh", "-c", `rmdir "$PWD"; exec "$@"`, "sh"}, nil, "/work\n"},
		{"asked for", hidden, nil, []string{"--cwd", "/tmp"}, "/tmp\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := sh("pwd", row.opts...)
			c.dir, c.wrap = row.dir, row.wrap
			e := jailed(t, c)
			e.wantExit(t, 0)
			if e.out != row.want {
				t.Errorf("cwd is %q, want %q", e.out, row.want)
			}
		})
	}
	for _, dir := range []string{"/proc/self/fd/3", "/proc/1/cwd", "/nowhere", "/etc/passwd"} {
		e := jailed(t, sh("pwd", "--cwd", dir))
		e.wantRefused(t, "cwd", dir)
	}
}
