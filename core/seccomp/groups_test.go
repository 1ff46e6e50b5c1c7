package seccomp

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// newer are calls of kernels after this libseccomp, which only refusals may name.
var newer = strings.Fields("file_getattr file_setattr lsm_get_self_attr lsm_list_modules lsm_set_self_attr open_tree_attr uprobe uretprobe")

func TestGroups(t *testing.T) {
	seen := map[string]bool{}
	for _, g := range Groups() {
		if seen[g.Name] {
			t.Errorf("%s is there twice", g.Name)
		}
		seen[g.Name] = true
		if !strings.HasSuffix(g.Help, ".") || len(g.Members) == 0 {
			t.Errorf("%s has no help or no members", g.Name)
		}
		for _, m := range g.Members {
			call, expr, conditional := strings.Cut(m, ": ")
			call, errno, fails := strings.Cut(call, " = ")
			if call[0] == '@' {
				continue
			}
			if fails && (g.Name != refused || errnos()[errno] == 0) {
				t.Errorf("%s: %s: only @refused has errnos", g.Name, m)
			}
			if !known(call) && !slices.Contains(newer, call) {
				t.Errorf("%s: libseccomp does not know %s", g.Name, call)
			}
			if conditional {
				if _, err := parseRule(call, expr); err != nil {
					t.Errorf("%s: %s: %v", g.Name, m, err)
				}
			}
		}
	}
}

func TestArgsAreOfKnownCalls(t *testing.T) {
	for call, args := range widths() {
		if !known(call) {
			t.Errorf("args.list: libseccomp does not know %s", call)
		}
		if len(args) == 0 || len(args) > 6 || strings.Trim(strings.Join(args, ""), "il") != "" {
			t.Errorf("args.list: %s: %v", call, args)
		}
	}
}

// Table D of the threats: what no shipped group but @refused may have. (judge) marks what @script may.
const tableD = `acct adjtimex add_key bpf clock_adjtime clock_settime create_module delete_module fanotify_init fanotify_mark finit_module
	fsconfig fsmount fsopen fspick get_kernel_syms get_mempolicy init_module io_cancel io_setup io_submit ioperm iopl kcmp kexec_file_load
	kexec_load keyctl lookup_dcookie lsm_get_self_attr lsm_set_self_attr lsm_list_modules mbind migrate_pages modify_ldt mount mount_setattr
	move_mount move_pages name_to_handle_at nfsservctl open_by_handle_at open_tree open_tree_attr perf_event_open pidfd_getfd pivot_root
	process_madvise process_mrelease process_vm_readv process_vm_writev ptrace query_module quotactl quotactl_fd reboot remap_file_pages
	request_key rt_tgsigqueueinfo rt_sigqueueinfo seccomp set_mempolicy set_mempolicy_home_node setdomainname sethostname setns settimeofday
	shmat shmget shmctl shmdt splice tee vmsplice swapon swapoff sync syncfs sysfs _sysctl syslog umount umount2 unshare uretprobe uselib
	userfaultfd ustat vhangup vm86 vm86old vserver file_getattr file_setattr chroot mknod mknodat setpriority ioprio_set sched_setaffinity
	kill/judge memfd_create/judge mincore/judge socket/judge fork/judge vfork/judge flock/judge sendfile/judge copy_file_range/judge`

const fallbacks = `io_uring_setup io_uring_enter io_uring_register openat2 cachestat mseal map_shadow_stack futex_waitv futex_wait
	futex_wake futex_requeue fchmodat2 pkey_alloc pkey_free pkey_mprotect statmount listmount landlock_create_ruleset landlock_add_rule
	landlock_restrict_self memfd_secret`

func TestTableD(t *testing.T) {
	judge, script := resolve(t, policies["judge"]), resolve(t, policies["script"])
	for entry := range strings.FieldsSeq(tableD) {
		call, judgeOnly := strings.CutSuffix(entry, "/judge")
		if got := judge.text(call); got != "EPERM by @refused" {
			t.Errorf("@judge: %s: %s", call, got)
		}
		if got := script.text(call); got != "EPERM by @refused" && !judgeOnly {
			t.Errorf("@script: %s: %s", call, got)
		}
	}
	for call := range strings.FieldsSeq(fallbacks) {
		for _, r := range []*Resolved{judge, script} {
			if got := r.text(call); got != "default ENOSYS" {
				t.Errorf("%s: %s", call, got)
			}
		}
	}
}

// The class of every call that libseccomp knows, or that a group names: a review of groups.list is a review of this file. It
// changes too when a new libseccomp brings calls that nobody has thought about yet.
func TestGolden(t *testing.T) {
	var b strings.Builder
	judge, script := resolve(t, policies["judge"]), resolve(t, policies["script"])
	fmt.Fprintln(&b, "# Every call under @judge and under @script, and the architectures that have it. \"-\" is the default.")
	calls := slices.Concat(callNames(), newer)
	slices.Sort(calls)
	for _, call := range slices.Compact(calls) {
		fmt.Fprintf(&b, "%s (%s)\n", call, strings.Join(having(call), " "))
		j, s := judge.lines(call), script.lines(call)
		if j == s {
			fmt.Fprint(&b, strings.ReplaceAll(j, "\t", "\tboth    "))
		} else {
			fmt.Fprint(&b, strings.ReplaceAll(j, "\t", "\tjudge   "), strings.ReplaceAll(s, "\t", "\tscript  "))
		}
	}
	const file = "testdata/classes.golden"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s is not what the groups say: run go test -update, and review the diff", file)
	}
}

// lines writes the rules of a call, each condition on a line of its own.
func (r *Resolved) lines(call string) string {
	var b strings.Builder
	for _, rule := range r.Rules {
		switch {
		case rule.Call != call:
		case len(rule.When) == 0:
			fmt.Fprintf(&b, "\t%s\n", rule.Action)
		default:
			for _, expr := range rule.When {
				fmt.Fprintf(&b, "\t%s if %s\n", rule.Action, expr)
			}
		}
	}
	if b.Len() == 0 {
		return "\t-\n"
	}
	return b.String()
}

func having(call string) []string {
	var out []string
	for _, goarch := range keys(arches) {
		if on(arches[goarch], call) {
			out = append(out, goarch)
		}
	}
	return out
}

func TestNearest(t *testing.T) {
	names := []string{"read", "readv", "write", "clone", "clone3"}
	for name, want := range map[string]string{"raed": "did you mean read?", "wrte": "did you mean write?", "Clone": "did you mean clone?", "xyzzy": "", "": ""} {
		if got := nearest(name, names); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestCallsAddAndRemove(t *testing.T) {
	for _, tt := range []struct {
		name              string
		have, add, remove []string
		want              string
	}{
		{"union", []string{"a", "b"}, []string{"b", "c"}, []string{"x"}, "map[call:[a b c]]"},
		{"always and when", nil, []string{"a"}, nil, "map[]"},
		{"when and always lose nothing but all", []string{"a"}, nil, []string{"a"}, "map[]"},
		{"difference", []string{"a", "b"}, []string{"c"}, []string{"a", "c"}, "map[call:[b]]"},
		{"nothing left", []string{"a"}, []string{"b"}, []string{"a", "b"}, "map[]"},
	} {
		c := calls{}
		c.add("call", tt.have)
		c.add("call", tt.add)
		if unconditional := tt.have == nil || tt.add == nil; unconditional != (len(c["call"]) == 0) {
			t.Errorf("%s: after add %v", tt.name, c)
		}
		c.remove("call", tt.remove)
		if got := fmt.Sprint(c); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
