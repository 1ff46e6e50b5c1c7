package seccomp

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// at gives an item at a depth, with its own name as key.
func at(depth int, name string) Item { return Item{Name: name, Depth: depth, Key: name} }

func whenAt(depth int, call string, exprs ...string) WhenItem {
	return WhenItem{at(depth, call), exprs}
}

func errnoAt(depth int, call, errno string) ErrnoItem { return ErrnoItem{at(depth, call), errno} }

// text writes the rules of a call as "action when … from; …", or "default".
func (r *Resolved) text(call string) string {
	var out []string
	for _, rule := range r.Rules {
		if rule.Call != call {
			continue
		}
		when := ""
		if len(rule.When) > 0 {
			when = " if " + strings.Join(rule.When, " or ")
		}
		out = append(out, rule.Action+when+" by "+rule.From)
	}
	if len(out) == 0 {
		return "default " + r.Default
	}
	return strings.Join(out, "; ")
}

func TestPrecedence(t *testing.T) {
	fcntl := "arg1 == F_DUPFD or arg1 == F_DUPFD_CLOEXEC or arg1 == F_GETFD or arg1 == F_SETFD or arg1 == F_GETFL or arg1 == F_SETFL"
	for _, tt := range []struct {
		name, call string
		p          Policy
		want       string
	}{
		{"nothing said", "epoll_create1", Policy{}, "default ENOSYS"},
		{"the default as chosen", "epoll_create1", Policy{Default: Kill}, "default kill"},
		{"@refused without being named", "mount", Policy{}, "EPERM by @refused"},
		{"refuse as chosen", "mount", Policy{Refuse: Kill}, "kill by @refused"},
		{"a group", "read", Policy{Allow: items("@judge")}, "allow by @judge"},
		{"a group in a group in a group", "socketpair", Policy{Allow: items("@sockets-local")},
			"allow if arg0 == AF_UNIX && arg1 & 0xfff7f7ff == SOCK_STREAM or arg0 == AF_UNIX && arg1 & 0xfff7f7ff == SOCK_DGRAM or " +
				"arg0 == AF_UNIX && arg1 & 0xfff7f7ff == SOCK_SEQPACKET by @sockets-local; EPERM by @sockets-local"},
		{"a group's conditions", "fcntl", Policy{Allow: items("@judge")}, "allow if " + fcntl + " by @judge; EPERM by @judge"},
		{"a group beats @refused", "fork", Policy{Allow: items("@script")}, "allow by @script"},
		{"a name beats @refused", "mount", Policy{Allow: items("mount")}, "allow by allow"},
		{"a name lifts a group's conditions", "fcntl", Policy{Allow: items("@judge", "fcntl")}, "allow by allow"},
		{"deny wins at the same depth", "read", Policy{Allow: items("read"), Deny: items("read")}, "EPERM by deny"},
		{"nearer allow", "read", Policy{Allow: []Item{at(1, "read")}, Deny: []Item{at(0, "read")}}, "allow by allow"},
		{"nearer deny", "read", Policy{Allow: []Item{at(1, "read")}, Deny: []Item{at(2, "read")}}, "EPERM by deny"},
		{"a far name beats a near group", "read", Policy{Allow: []Item{at(0, "read")}, Deny: []Item{at(1, "@io")}}, "allow by allow"},
		{"deny by name, allowed by a nearer group", "read", Policy{Allow: []Item{at(1, "@judge")}, Deny: []Item{at(0, "read")}}, "EPERM by deny"},
		{"when beats deny", "read", Policy{Deny: items("read"), When: []WhenItem{whenAt(0, "read", "arg0 == 0")}},
			"allow if arg0 == 0 by when; EPERM by when"},
		{"when beats a nearer allow", "read", Policy{Allow: []Item{at(1, "read")}, When: []WhenItem{whenAt(0, "read", "arg0 == 0")}},
			"allow if arg0 == 0 by when; EPERM by when"},
		{"the nearer when replaces the other", "read", Policy{When: []WhenItem{whenAt(1, "read", "arg0 == 1"), whenAt(0, "read", "arg0 == 0")}},
			"allow if arg0 == 1 by when; EPERM by when"},
		{"when needs no allow", "socket", Policy{Refuse: Kill, When: []WhenItem{whenAt(0, "socket", "arg0 == AF_INET", "arg0 == AF_INET6")}},
			"allow if arg0 == AF_INET or arg0 == AF_INET6 by when; kill by when"},
		{"a denied group", "read", Policy{Allow: items("@judge"), Deny: items("@io")}, "EPERM by @io"},
		{"a denied group takes its conditions only", "fcntl", Policy{Allow: items("@script"), Deny: items("@locks", "@memory-more")},
			"allow if " + fcntl + " by @script; EPERM by @script"},
		{"no processes still has threads", "clone", Policy{Allow: items("@script"), Deny: items("@process")},
			"allow if arg0 & CLONE_THREAD|CLONE_NEWNS|CLONE_NEWCGROUP|CLONE_NEWUTS|CLONE_NEWIPC|CLONE_NEWUSER|CLONE_NEWPID|CLONE_NEWNET|CLONE_NEWTIME == CLONE_THREAD by @script; EPERM by @script"},
		{"all conditions denied", "socket", Policy{Allow: items("@script"), Deny: items("@sockets-local")}, "EPERM by @sockets-local"},
		{"a nearer group brings it back", "fork", Policy{Allow: []Item{at(0, "@script"), at(2, "@process")}, Deny: []Item{at(1, "@process")}}, "allow by @process"},
		{"deny of what only newer libraries know", "mseal", Policy{Deny: items("mseal")}, "EPERM by deny"},
		{"clone3 without being named", "clone3", Policy{Default: Kill, Refuse: Kill}, "ENOSYS by @refused"},
		{"clone3 with @refused allowed", "clone3", Policy{Allow: items("@refused")}, "ENOSYS by @refused"},
		{"clone3 by name", "clone3", Policy{Allow: items("clone3")}, "allow by allow"},
		{"clone3 denied by name", "clone3", Policy{Deny: items("clone3")}, "EPERM by deny"},
		{"refuse log", "mount", Policy{Refuse: Log}, "log by @refused"},
		{"an errno for what nothing names", "openat2", Policy{Errno: []ErrnoItem{errnoAt(0, "openat2", "EPERM")}}, "EPERM by errno"},
		{"an errno beats @refused", "mount", Policy{Refuse: Kill, Errno: []ErrnoItem{errnoAt(0, "mount", "ENOSYS")}}, "ENOSYS by errno"},
		{"an errno for clone3", "clone3", Policy{Errno: []ErrnoItem{errnoAt(0, "clone3", "EPERM")}}, "EPERM by errno"},
		{"a denied call's errno", "read", Policy{Deny: items("read"), Errno: []ErrnoItem{errnoAt(0, "read", "EIO")}}, "EIO by errno"},
		{"a nearer deny's errno", "read", Policy{Deny: []Item{at(1, "read")}, Errno: []ErrnoItem{errnoAt(0, "read", "EIO")}}, "EIO by errno"},
		{"a denied group's errno", "read", Policy{Allow: items("@judge"), Deny: items("@io"), Errno: []ErrnoItem{errnoAt(0, "read", "EIO")}}, "EIO by errno"},
		{"a group's call that only newer libraries know", "file_getattr", Policy{Allow: items("@nodes")}, "EPERM by @refused"},
		{"the rest of when", "socket", Policy{Refuse: Kill, When: []WhenItem{whenAt(1, "socket", "arg0 == AF_INET")}, Errno: []ErrnoItem{errnoAt(0, "socket", "EAFNOSUPPORT")}},
			"allow if arg0 == AF_INET by when; EAFNOSUPPORT by errno"},
		{"the rest of a group", "prlimit64", Policy{Allow: items("@start"), Errno: []ErrnoItem{errnoAt(0, "prlimit64", "ESRCH")}},
			"allow if arg0 == 0 by @start; ESRCH by errno"},
		{"the nearer errno", "mount", Policy{Errno: []ErrnoItem{errnoAt(1, "mount", "ENOSYS"), errnoAt(0, "mount", "EPERM")}}, "ENOSYS by errno"},
		{"a nearer allow beats an errno", "read", Policy{Allow: []Item{at(1, "read")}, Errno: []ErrnoItem{errnoAt(0, "read", "EIO")}}, "allow by allow"},
		{"a nearer group beats an errno", "read", Policy{Allow: []Item{at(1, "@io")}, Errno: []ErrnoItem{errnoAt(0, "read", "EIO")}}, "allow by @io"},
		{"execve", "execve", Policy{}, "allow by core"},
		{"exit_group", "exit_group", Policy{Default: Kill, Refuse: Kill}, "allow by core"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := resolve(t, tt.p).text(tt.call); got != tt.want {
				t.Errorf("%s:\n got %s\nwant %s", tt.call, got, tt.want)
			}
		})
	}
}

func TestIssues(t *testing.T) {
	for _, tt := range []struct {
		name string
		p    Policy
		want string // "key: text (hint)", one a line
	}{
		{"unknown call", Policy{Allow: []Item{at(0, "opnat")}}, `opnat: unknown system call "opnat" (did you mean openat?)`},
		{"nothing near", Policy{Allow: []Item{at(0, "frobnicate")}}, `frobnicate: unknown system call "frobnicate"`},
		{"empty", Policy{Allow: []Item{at(0, "")}}, `: unknown system call ""`},
		{"NUL", Policy{Allow: []Item{at(0, "read\x00")}}, "read\x00" + `: unknown system call "read\x00" (did you mean read?)`},
		{"unknown calls may be denied", Policy{Deny: []Item{at(0, "frobnicate")}}, ""},
		{"calls of another architecture", Policy{Allow: []Item{at(0, "riscv_flush_icache"), at(0, "open")}}, ""},
		{"newer than libseccomp", Policy{Allow: []Item{at(0, "uretprobe")}}, `uretprobe: unknown system call "uretprobe"`},
		{"unknown group", Policy{Deny: []Item{at(0, "@scripts")}}, `@scripts: unknown group "@scripts" (did you mean @script?)`},
		{"default", Policy{Default: "ENOSYSS"}, `default: "ENOSYSS" is no action (did you mean ENOSYS?)`},
		{"default allow", Policy{Default: "allow"}, `default: "allow" is no action ("kill", "log" or the name of an errno)`},
		{"refuse", Policy{Refuse: "KILL"}, `refuse: "KILL" is no action (did you mean kill?)`},
		{"execve denied", Policy{Deny: []Item{at(0, "execve")}}, `execve: execve cannot be denied: the launcher needs it to start the program`},
		{"exit_group denied by group", Policy{Deny: []Item{at(0, "@judge")}}, `@judge: execve cannot be denied: the launcher needs it to start the program`},
		{"execve conditional", Policy{When: []WhenItem{whenAt(0, "execve", "arg0 == 1")}}, `execve: execve cannot be conditional: the launcher needs it to start the program`},
		{"when for a group", Policy{When: []WhenItem{whenAt(0, "@io", "arg0 == 1")}}, `@io: a group takes no conditions (name the call)`},
		{"when without conditions", Policy{When: []WhenItem{whenAt(0, "ioctl")}}, `ioctl: no condition (add ioctl to deny, or to allow)`},
		{"no errno", Policy{Errno: []ErrnoItem{errnoAt(0, "read", "ENOSYSS")}}, `read: "ENOSYSS" is no errno (did you mean ENOSYS?)`},
		{"empty errno", Policy{Errno: []ErrnoItem{errnoAt(0, "read", "")}}, `read: "" is no errno (like "ENOSYS")`},
		{"kill by call", Policy{Errno: []ErrnoItem{errnoAt(0, "read", Kill)}}, `read: "kill" is no errno ("kill" is for default and refuse)`},
		{"log by call", Policy{Errno: []ErrnoItem{errnoAt(0, "read", Log)}}, `read: "log" is no errno ("log" is for default and refuse)`},
		{"errno of an unknown call", Policy{Errno: []ErrnoItem{errnoAt(0, "raed", "EIO")}}, `raed: unknown system call "raed" (did you mean read?)`},
		{"errno of a group", Policy{Errno: []ErrnoItem{errnoAt(0, "@io", "EIO")}}, `@io: a group gets no errno (name the call)`},
		{"errno of execve", Policy{Errno: []ErrnoItem{errnoAt(0, "execve", "EIO")}}, `execve: execve cannot be given an errno: the launcher needs it to start the program`},
		{"errno and allowed", Policy{Allow: items("read"), Errno: []ErrnoItem{errnoAt(0, "read", "EIO")}}, `read: read is allowed by name, so it never gets EIO (take it out of allow)`},
		{"errno and a farther allow", Policy{Allow: []Item{at(0, "read")}, Errno: []ErrnoItem{errnoAt(1, "read", "EIO")}}, `read: read is allowed by name, so it never gets EIO (take it out of allow)`},
		{"errno and a group", Policy{Allow: []Item{at(0, "@judge"), at(2, "@memory")}, Errno: []ErrnoItem{errnoAt(1, "read", "EIO")}},
			`read: read is allowed by @judge, so it never gets EIO (add read to deny)`},
		{"errno and a name, with a nearer group", Policy{Allow: []Item{at(0, "fcntl"), at(2, "@io")}, Errno: []ErrnoItem{errnoAt(1, "fcntl", "EIO")}},
			`fcntl: fcntl is allowed by name, so it never gets EIO (take it out of allow)`},
		{"errno and a group, with a nearer one that has conditions",
			Policy{Allow: []Item{at(0, "@refused"), at(2, "@memory-more")}, Errno: []ErrnoItem{errnoAt(1, "memfd_create", "EIO")}},
			`memfd_create: memfd_create is allowed by @refused, so it never gets EIO (add memfd_create to deny)`},
		{"errno and a group's conditions", Policy{Allow: items("@judge"), Errno: []ErrnoItem{errnoAt(0, "fcntl", "EINVAL")}}, ""},
		{"all of them at once", Policy{Default: "x", Allow: []Item{at(0, "raed")}, When: []WhenItem{whenAt(0, "ioctl", "arg1 == TCGET", "arg9 == 1")}},
			`default: "x" is no action ("kill", "log" or the name of an errno)
raed: unknown system call "raed" (did you mean read?)
ioctl: unknown constant "TCGET" (did you mean TCGETA?)
ioctl: "arg9 == 1" is no condition (like "arg1 == TCGETS" or "arg0 & CLONE_NEWUSER == 0")`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, issues := Resolve(tt.p)
			var got []string
			for _, i := range issues {
				got = append(got, fmt.Sprintf("%v: %v", i.Key, problem{i.Text, i.Hint}.Error()))
			}
			if text := strings.Join(got, "\n"); text != tt.want {
				t.Errorf("\n got %s\nwant %s", text, tt.want)
			}
			if (r == nil) != (len(issues) > 0) {
				t.Errorf("result %v with %d issues", r, len(issues))
			}
		})
	}
}

func TestResolvedIsSorted(t *testing.T) {
	r := resolve(t, Policy{Allow: items("@script", "ptrace"), Deny: items("zzz", "@locks")})
	if !slices.IsSortedFunc(r.Rules, func(a, b Rule) int { return strings.Compare(a.Call, b.Call) }) {
		t.Error("the rules are not by call")
	}
}
