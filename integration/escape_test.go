package integration

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/jail-sandbox/jail/core/report"
)

// probe is a call of the probe, bound into a jail.
func probe(t *testing.T, opts []string, mode ...string) call {
	t.Helper()
	opts = append(slices.Clone(opts), "--bind", sitePath("probe")+":/probe", "--env", "JAIL_PROBE=1")
	return call{opts: opts, argv: append([]string{"/probe", ourPIDNamespace(t)}, mode...)}
}

func ourPIDNamespace(t *testing.T) string {
	t.Helper()
	var st unix.Stat_t
	check(t, unix.Stat("/proc/self/ns/pid", &st))
	return fmt.Sprint(st.Ino)
}

func probeNames(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command(sitePath("probe"), "names").Output()
	check(t, err)
	return strings.Fields(string(out))
}

// The probe's own guard: nothing here is dangerous unless this fails.
func TestProbeRefusesOutside(t *testing.T) {
	for _, env := range []string{"", "JAIL_PROBE=1"} {
		e := outside(t, call{argv: []string{sitePath("probe"), ourPIDNamespace(t), "table"}, env: []string{env}})
		if e.code != 99 || e.out != "" {
			t.Errorf("with %q: exit code %d, %q", env, e.code, e.out)
		}
	}
}

// S-05, and most rows of the table of incidents: what each call gets in each profile. The control runs the same calls in
// namespaces without a filter, where each row must get something else, or be one of those that the kernel refuses itself.
func TestCalls(t *testing.T) {
	columns := []struct {
		name string
		got  map[string]string
	}{
		{"default", probeTable(t, "default")},
		{"python", probeTable(t, "python")},
		{"cpp-run", probeOneByOne(t, "cpp-run")},
	}
	control := unfiltered(t)
	same := strings.Fields("fanotify_init syslog acct setgroups prctl-set-mm flock ioctl-tcgets socket-family-1 unknown-600 unknown-1000")
	var b strings.Builder
	for _, name := range probeNames(t) {
		fmt.Fprintf(&b, "%s", name)
		for _, c := range columns {
			fmt.Fprintf(&b, " %s", c.got[name])
		}
		b.WriteByte('\n')
		if control[name] == columns[0].got[name] && !slices.Contains(same, name) {
			t.Errorf("%s gets %s without a filter, too: the row proves nothing", name, control[name])
		}
	}
	golden(t, "calls.golden", b.String())
}

func probeTable(t *testing.T, profile string) map[string]string {
	t.Helper()
	e := jailed(t, probe(t, planned(profile), "table"))
	e.wantExit(t, 0)
	return pairs(e.out)
}

// probeOneByOne is for profiles without processes, or that kill.
func probeOneByOne(t *testing.T, profile string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range probeNames(t) {
		e := jailed(t, probe(t, planned(profile), "one", name))
		switch {
		case e.Cause == report.CauseSeccomp && e.code == 128+int(unix.SIGSYS):
			out[name] = "SIGSYS"
		case e.Cause == report.CauseExit && e.code == 0:
			out[name] = strings.TrimSpace(e.out)
		default:
			t.Fatalf("%s: ended with %d by %s: %s", name, e.code, e.Cause, e.err)
		}
	}
	return out
}

// unfiltered runs the table in scratch namespaces, unprivileged outside of them.
func unfiltered(t *testing.T) map[string]string {
	t.Helper()
	e := outside(t, call{
		argv: []string{"unshare", "--user", "--map-root-user", "--mount", "--uts", "--pid", "--net", "--ipc", "--fork", "--kill-child",
			"--mount-proc", "setpriv", "--no-new-privs", sitePath("probe"), ourPIDNamespace(t), "table"},
		env: []string{"JAIL_PROBE=1"},
	})
	if e.code != 0 {
		t.Fatalf("the control ended with %d: %s", e.code, e.err)
	}
	return pairs(e.out)
}

func pairs(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		out[name] = value
	}
	return out
}

// S-02: other architectures' calls end the program, whatever the profile refuses with.
func TestForeignCalls(t *testing.T) {
	for _, profile := range []string{"default", "cpp-run"} {
		for _, mode := range []string{"int80", "x32"} {
			e := jailed(t, probe(t, planned(profile), mode))
			if e.code != 128+int(unix.SIGSYS) || e.Signal == nil || *e.Signal != int(unix.SIGSYS) {
				t.Errorf("%s in %s: ended with %d by %s, printed %q", mode, profile, e.code, e.Cause, e.out)
			}
		}
	}
}

// H-01: signals to PID 1, to everybody and to the group leave the verdict right.
func TestSignalStorm(t *testing.T) {
	e := jailed(t, probe(t, planned("default"), "storm"))
	e.wantExit(t, 42)
}

// H-04, M-10, M-15: files that would lead out.
func TestNothingToOpen(t *testing.T) {
	secret := ownFile(t, workDir(t), "secret", "x")
	var paths []string
	for _, name := range strings.Fields("environ mem maps exe root cwd fd cmdline status ns/pid root/etc/passwd") {
		paths = append(paths, "/proc/1/"+name)
	}
	paths = append(paths, strings.Fields(`/etc/shadow /etc/hostname /etc/machine-id /root /home /run /var /boot /dev/tty /dev/ptmx
		/dev/mem /dev/kmsg /dev/fuse /dev/kvm /dev/net/tun /proc/kcore /proc/keys /proc/sys /proc/sysrq-trigger /proc/kallsyms
		/proc/mounts /sys/kernel /oldroot /.. w:/usr/x w:/etc/passwd w:/dev/x w:/x w:/proc/sys/user/max_user_namespaces
		w:/proc/self/uid_map w:/proc/self/setgroups w:/proc/self/oom_score_adj w:/proc/self/mem`)...)
	paths = append(paths, secret, site.jail)
	want := map[string]string{"/..": "ok", "w:/etc/passwd": "EROFS", "w:/proc/self/setgroups": "EACCES",
		"w:/proc/self/uid_map": "ok", "w:/proc/self/oom_score_adj": "ok", "w:/proc/self/mem": "ok"} // its own: a map is written once
	e := jailed(t, probe(t, planned("default"), append([]string{"open"}, paths...)...))
	e.wantExit(t, 0)
	got := pairs(e.out)
	for _, path := range paths {
		expect := "ENOENT"
		if w, ok := want[path]; ok {
			expect = w
		}
		if got[path] != expect {
			t.Errorf("%s: %s, want %s", path, got[path], expect)
		}
	}
}

// P2, M-05, R-17: what is bound read-only stays so, whoever owns it.
func TestReadOnlyBind(t *testing.T) {
	dir := workDir(t)
	ownFile(t, dir, "file", "before")
	script := `cd "$1"; for try in "echo x >>file" "chmod 777 file" "touch new" "mkdir d" "ln file l" "rm file" "mv file g" "touch file"; do
		eval "$try" 2>&1 | grep -q "Read-only file system" || echo "$try: not refused"; done; cat file`
	c := call{opts: append(planned("default"), "--bind", dir), argv: []string{"sh", "-c", script, "sh", dir}}
	if e := jailed(t, c); e.out != "before" {
		t.Errorf("read-only bind: %s%s", e.out, e.err)
	}
	c.opts = append(planned("default"), "--bind", dir+"::rw") // the control
	if e := jailed(t, c); !strings.Contains(e.out, "chmod 777 file: not refused") {
		t.Errorf("writable bind: %s%s", e.out, e.err)
	}
}

// M-05: what is mounted below the source is read-only as well. The mount needs namespaces of its own around jail.
func TestReadOnlyBindReachesSubmounts(t *testing.T) {
	dir := workDir(t)
	check(t, makeOwn(filepath.Join(dir, "sub")))
	script := `mount -t tmpfs none "$DIR/sub" && echo "in the submount" >"$DIR/sub/file" &&
		exec unshare --user --map-user="$ID" --map-group="$ID" "$@"` // jail must not take itself for root
	wrap := []string{"unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"}
	for mode, want := range map[string]string{"": "refused\nin the submount\n", "::rw": "written\nin the submount\nx\n"} {
		c := sh(`(echo x >>"`+dir+`/sub/file") 2>/dev/null && echo written || echo refused; cat "`+dir+`/sub/file"`, "--bind", dir+mode)
		c.wrap, c.env = wrap, []string{"DIR=" + dir, fmt.Sprint("ID=", callerID())}
		e := jailed(t, c)
		e.wantExit(t, 0)
		if e.out != want {
			t.Errorf("%q: got %q, want %q", mode, e.out, want)
		}
	}
}

// M-07, CVE-2026-87766, CVE-2024-45310: links in a writable tree where mount points should be lead nowhere: the host's
// tree is the same afterwards, with the mount refused or made inside.
func TestHostileMountPoints(t *testing.T) {
	for _, to := range []string{"../../../../../../..", "/", "/proc/self/root", "/proc/1/root", "/proc/self/cwd", "loop", "/dev", "missing", "."} {
		t.Run(to, func(t *testing.T) {
			outer := workDir(t)
			tree := filepath.Join(outer, "tree")
			check(t, makeOwn(tree))
			victim := filepath.Join(outer, "victim")
			check(t, makeOwn(victim))
			check(t, os.Symlink(to, filepath.Join(tree, "loop")))
			check(t, giveAway(filepath.Join(tree, "loop")))
			before := fingerprint(t, outer)
			for _, target := range []string{"/t/loop/made", "/t/loop" + victim} {
				jailed(t, sh("touch "+target+"/planted", "--bind", tree+":/t:rw", "--tmpfs", target)).wantRefused(t, target)
			}
			if after := fingerprint(t, outer); after != before {
				t.Errorf("the host's tree changed:\n%s", lineDiff(before, after))
			}
		})
	}
}

// The control of the test above: a mount point that the tree really has is used, and what is written there stays inside.
func TestMountPointInWritableBind(t *testing.T) {
	dir := workDir(t)
	check(t, makeOwn(filepath.Join(dir, "made")))
	before := fingerprint(t, dir)
	jailed(t, sh("touch /t/made/planted && ls /t/made", "--bind", dir+":/t:rw", "--tmpfs", "/t/made")).wantExit(t, 0)
	if after := fingerprint(t, dir); after != before {
		t.Errorf("the host's tree changed:\n%s", lineDiff(before, after))
	}
}

// fingerprint is every name below a directory, with its type, mode and content.
func fingerprint(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var content string
		switch {
		case d.Type().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = fmt.Sprintf("%x", sha256.Sum256(data))
		case d.Type() == fs.ModeSymlink:
			content, err = os.Readlink(path)
		}
		info, ierr := d.Info()
		if ierr != nil {
			return ierr
		}
		fmt.Fprintf(&b, "%s %s %s\n", path, info.Mode(), content)
		return err
	}))
	return b.String()
}

// M-08, CVE-2024-42472: a source that becomes a link to a secret while jails start never shows the secret.
func TestSourceSwappedDuringStart(t *testing.T) {
	dir := workDir(t)
	for name, content := range map[string]string{"good/file": "good", "bad/file": "secret"} {
		check(t, makeOwn(filepath.Join(dir, filepath.Dir(name))))
		ownFile(t, dir, name, content)
	}
	source := filepath.Join(dir, "source")
	check(t, os.Symlink("good", source))
	spare := filepath.Join(dir, "spare")
	check(t, os.Symlink("bad", spare))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				unix.Renameat2(unix.AT_FDCWD, source, unix.AT_FDCWD, spare, unix.RENAME_EXCHANGE)
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	outcomes := map[string]int{}
	for range 100 {
		e := jailed(t, sh("cat /s/file", "--bind", source+":/s"))
		switch {
		case e.code == 0: // either tree as a whole: the caller named the link
			outcomes[e.out]++
		case e.code == report.ExitSetup && strings.Contains(e.err, "replaced while the jail was being made"):
			outcomes["refused"]++
		default:
			t.Fatalf("ended with %d: %s", e.code, e.err)
		}
	}
	if outcomes["refused"] == 0 {
		t.Logf("the race was never met: %v", outcomes)
	}
}

// N-07: a set-user-id program in a bind gives nobody anything.
func TestSetuidProgram(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("an ordinary user cannot make another user's program: nothing to test")
		return
	}
	dir := workDir(t)
	file := filepath.Join(dir, "id")
	data, err := os.ReadFile("/usr/bin/id")
	check(t, err)
	check(t, os.WriteFile(file, data, 0o755))
	check(t, os.Chown(file, 1, 1))
	check(t, unix.Chmod(file, 0o6755))
	if e := outside(t, call{argv: []string{file, "-u"}}); e.out != "1\n" {
		t.Fatalf("the control: outside it is uid %q", e.out)
	}
	if e := jailed(t, sh(file+" -u; "+file+" -g", "--bind", dir)); e.out != "0\n0\n" {
		t.Errorf("inside it has %q: %s", e.out, e.err)
	}
}

// G-13, M-19: no jail may write what later jails are made of, by whatever name.
func TestOwnDirectoriesAreNotWritable(t *testing.T) {
	dir := workDir(t)
	home := filepath.Join(dir, "home")
	check(t, makeOwn(home))
	check(t, makeOwn(filepath.Join(home, "project")))
	profiles := filepath.Join(dir, "profiles")
	check(t, makeOwn(profiles))
	check(t, makeOwn(filepath.Join(profiles, "bases")))
	check(t, os.WriteFile(filepath.Join(profiles, "p.toml"), []byte("format = \"jail.profile/1\"\nextends = [\"default\"]\n"), 0o644))
	alias := filepath.Join(dir, "alias")
	check(t, os.Symlink(site.dir, alias))
	withConfig := filepath.Join(dir, "with-config")
	check(t, makeOwn(withConfig))
	check(t, makeOwn(filepath.Join(withConfig, ".config")))
	byPath := []string{"-p", filepath.Join(profiles, "p.toml")}
	byDir := []string{"-p", "p", "--profile-dir", profiles}
	for _, row := range []struct {
		name, home, bind string
		opts             []string
		refused          bool
	}{
		{"the tree", home, sitePath("tree"), nil, true},
		{"above the tree", home, site.dir, nil, true},
		{"in the tree", home, sitePath("tree/libexec/jail"), nil, true},
		{"the tree by a link", home, alias, nil, true},
		{"a home without .config", home, home, nil, true},
		{"below such a home", home, filepath.Join(home, "project"), nil, false},
		{"a .config without jail", withConfig, filepath.Join(withConfig, ".config"), nil, true},
		{"the profile", home, filepath.Join(profiles, "p.toml"), byPath, true},
		{"the profile's directory", home, profiles, byPath, true},
		{"a profile directory", home, profiles, byDir, true},
		{"in a profile directory", home, filepath.Join(profiles, "bases"), byDir, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			opts := row.opts
			if opts == nil {
				opts = planned("default")
			}
			run := func(mode string) ended {
				return jailed(t, call{opts: append(slices.Clone(opts), "--bind", row.bind+":/mnt/x"+mode), argv: []string{"true"}, env: []string{"HOME=" + row.home}})
			}
			if e := run(":rw"); row.refused {
				e.wantRefused(t, "a writable bind may not reach")
			} else {
				e.wantExit(t, 0)
			}
			run("").wantExit(t, 0)
		})
	}
}

// A profile's base decides what a jail is, as much as the profile itself.
func TestBugBaseOfProfileIsWritable(t *testing.T) {
	dir := workDir(t)
	check(t, makeOwn(filepath.Join(dir, "bases")))
	check(t, os.WriteFile(filepath.Join(dir, "bases/b.toml"), []byte("format = \"jail.profile/1\"\nextends = [\"default\"]\n"), 0o644))
	check(t, os.WriteFile(filepath.Join(dir, "p.toml"), []byte("format = \"jail.profile/1\"\nextends = [\"bases/b.toml\"]\n"), 0o644))
	c := call{opts: []string{"-p", filepath.Join(dir, "p.toml"), "--bind", filepath.Join(dir, "bases") + ":/mnt/x:rw"}, argv: []string{"true"}}
	jailed(t, c).wantRefused(t, "a writable bind may not reach")
}

// A link to a directory that does not exist yet is as good as the directory.
func TestBugDanglingConfigDirectory(t *testing.T) {
	dir := workDir(t)
	for _, name := range []string{"home", "dotfiles"} {
		check(t, makeOwn(filepath.Join(dir, name)))
	}
	check(t, os.Symlink("../dotfiles/config", filepath.Join(dir, "home/.config")))
	c := sh("mkdir -p /mnt/x/config/jail/profiles", "--bind", filepath.Join(dir, "dotfiles")+":/mnt/x:rw")
	c.env = []string{"HOME=" + filepath.Join(dir, "home")}
	jailed(t, c).wantRefused(t, "a writable bind may not reach")
}

// N-03: there is no jail in a jail.
func TestNestedJailIsRefused(t *testing.T) {
	e := jailed(t, sh(site.jail+" run -- true", "--bind", sitePath("tree")))
	if e.code == 0 || e.Cause != report.CauseExit {
		t.Errorf("ended with %d by %s: %s", e.code, e.Cause, e.err)
	}
}

// W-02: sockets of the host, by address and by name.
func TestHostSocketsAreOutOfReach(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer tcp.Close()
	abstract, err := net.Listen("unix", "@jail-integration-"+fmt.Sprint(os.Getpid()))
	check(t, err)
	defer abstract.Close()
	_, port, _ := net.SplitHostPort(tcp.Addr().String())
	script := `
import socket, sys
for family, address in ((socket.AF_INET, ("127.0.0.1", ` + port + `)), (socket.AF_UNIX, "\0` + strings.TrimPrefix(abstract.Addr().String(), "@") + `")):
    try:
        socket.socket(family).connect(address)
        print("connected")
    except OSError as e:
        print("refused")
`
	python := []string{"/usr/bin/python3", "-c", script}
	if e := outside(t, call{argv: python}); e.out != "connected\nconnected\n" {
		t.Fatalf("the control: %q %s", e.out, e.err)
	}
	// With the filter open, the namespace alone must do.
	open := profile(t, "extends = [\"default\"]\n[netns]\nmode = \"loopback\"\n[seccomp]\nallow = [\"@sockets-local\", \"socket\", \"connect\"]\n")
	for _, p := range []string{"default", "python", open} {
		if e := jailed(t, call{opts: planned(p), argv: python}); e.out != "refused\nrefused\n" {
			t.Errorf("%s: %q %s", p, e.out, e.err)
		}
	}
}

// N-10, M-13: two jails share no System V segment, no queue and no /dev/shm.
func TestJailsShareNothing(t *testing.T) {
	e := jailed(t, sh("ls -A /dev/shm /tmp /work /dev/mqueue 2>/dev/null; touch /dev/shm/x /tmp/x /work/x"))
	e.wantExit(t, 0)
	if again := jailed(t, sh("ls -A /dev/shm /tmp /work")); strings.Contains(again.out, "x\n") {
		t.Errorf("the second jail sees %q", again.out)
	}
}

// What the modes of netns give: lo that is down, or up for both families.
func TestLoopback(t *testing.T) {
	const script = `
import errno, socket
for family, host in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"):
    try:
        server = socket.create_server((host, 0), family=family)
        client = socket.create_connection(server.getsockname()[:2])
        client.sendall(b"x")
        print(host, server.accept()[0].recv(1))
    except OSError as e:
        print(host, errno.errorcode[e.errno])
`
	for mode, want := range map[string]string{
		"loopback": "127.0.0.1 b'x'\n::1 b'x'\n",
		"none":     "127.0.0.1 ENETUNREACH\n::1 EADDRNOTAVAIL\n",
	} {
		own := profile(t, "extends = [\"python\"]\n[netns]\nmode = \""+mode+"\"\n[seccomp]\nallow = [\"@sockets-local\", \"socket\"]\n")
		e := jailed(t, call{opts: []string{"-p", own}, argv: []string{"python3", "-c", script}})
		e.wantExit(t, 0)
		if e.out != want {
			t.Errorf("%s: %q, want %q\n%s", mode, e.out, want, e.err)
		}
	}
}

// The host's procfs stays out, whatever it is called.
func TestHostProcIsNotBound(t *testing.T) {
	dir := workDir(t)
	link := filepath.Join(dir, "link")
	check(t, os.Symlink("/proc", link))
	for name, c := range map[string]call{
		"by a link":       sh("ls /mnt/x", "--bind", link+":/mnt/x"),
		"above":           sh("ls /mnt/x", "--bind", "/:/mnt/x"),
		"below":           sh("ls /mnt/x", "--bind", link+"/self:/mnt/x"),
		"as the caller's": {opts: planned("agent"), argv: []string{"ls"}, dir: "/proc"},
	} {
		e := jailed(t, c)
		if e.code != report.ExitSetup || !strings.Contains(e.err, "the host's process list") {
			t.Errorf("%s: ended with %d: %s%s", name, e.code, clip(e.out), clip(e.err))
		}
	}
}

// A result that the program can reach is the program's to forge, until jail looks.
func TestReplacedResult(t *testing.T) {
	forged := `{"cause":"exit","exit_code":0,"forged":true}`
	for name, row := range map[string]struct {
		script string
		code   int
	}{
		"another file": {"rm result; echo '" + forged + "' >result; exit 3", report.ExitSetup},
		"a link":       {"mv result other; ln -s /dev/null result; exit 3", report.ExitSetup},
		"its own":      {"for i in $(seq 200); do echo '" + forged + "'; done >result; exit 3", 3},
	} {
		dir := workDir(t)
		result := filepath.Join(dir, "result")
		e := outside(t, call{dir: dir, argv: append(append([]string{site.jail, "run"}, planned("agent")...), "--result", result, "--", "sh", "-c", row.script)})
		data, _ := os.ReadFile(result)
		if told := strings.Contains(e.err, "another file was put there"); e.code != row.code || told != (row.code == report.ExitSetup) {
			t.Errorf("%s: ended with %d: %s", name, e.code, e.err)
		}
		if row.code == 3 && (strings.Contains(string(data), "forged") || !strings.Contains(string(data), `"exit_code": 3`)) {
			t.Errorf("%s: the result says %s", name, clip(string(data)))
		}
	}
}

// What stands where a program is looked for is not opened to explain why it was not started.
func TestUnrunnableProgramsAreNotOpened(t *testing.T) {
	dir := workDir(t)
	check(t, unix.Mkfifo(filepath.Join(dir, "tool"), 0o777))
	check(t, os.Chmod(filepath.Join(dir, "tool"), 0o777))
	e := jailed(t, sh("true", "--bind", dir+":/mnt/x", "--env", "PATH=/mnt/x:/usr/bin").with("tool"))
	if e.code != report.ExitNotExecutable && e.code != report.ExitNotFound {
		t.Errorf("ended with %d: %s", e.code, e.err)
	}
}

// with is the call with another program.
func (c call) with(argv ...string) call {
	c.argv = argv
	return c
}

// A mount that guards a place in a writable tree is not led to another place by a link in it.
func TestGuardIsNotLedAway(t *testing.T) {
	dir := workDir(t)
	for _, d := range []string{"scripts", "scripts/hooks"} {
		check(t, makeOwn(filepath.Join(dir, d)))
	}
	check(t, os.Symlink("scripts/hooks", filepath.Join(dir, "hooks")))
	own := profile(t, "extends = [\"default\"]\n[mountns.at]\n\"/work\" = { bind = \"$CWD\", rw = true }\n\"/work/hooks\" = { bind = \"$CWD/hooks\" }\n")
	jailed(t, call{opts: []string{"-p", own}, dir: dir, argv: []string{"true"}}).wantRefused(t, "bind $CWD/hooks", "too many levels of symbolic links")
}
