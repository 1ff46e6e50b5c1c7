package seccomp

import (
	"os"
	"strings"
	"testing"

	lib "github.com/seccomp/libseccomp-golang"

	"github.com/jail-sandbox/jail/core/profile"
	"github.com/jail-sandbox/jail/core/step"
	"github.com/jail-sandbox/jail/profiles"
)

// Every embedded profile's filter does what its policy says, on both architectures.
func TestFiltersOfProfiles(t *testing.T) {
	for _, name := range profiles.Names() {
		r := resolve(t, embedded(t, name))
		for goarch := range arches {
			t.Run(name+"/"+goarch, func(t *testing.T) {
				checkFilter(t, r, goarch)
				checkShipped(t, r, goarch)
				checkPolicy(t, r, name, goarch)
			})
		}
	}
}

// checkShipped: what no profile of ours gives up.
func checkShipped(t *testing.T, r *Resolved, goarch string) {
	t.Helper()
	p := compile(t, r, goarch)
	const clone, clone3 = "clone", "clone3"
	for _, row := range []struct {
		call string
		arg  uint64
	}{
		{clone3, 0}, {clone, 0x20000}, {clone, 0x2000000}, {clone, 0x4000000}, {clone, 0x8000000}, {clone, 0x10000000},
		{clone, 0x20000000}, {clone, 0x40000000}, {clone, 0x80}, {"unshare", 0}, {"setns", 0}, {"ptrace", 0}, {"mount", 0}, {"bpf", 0},
		{"userfaultfd", 0}, {"io_uring_setup", 0}, {"keyctl", 0}, {"splice", 0}, {"perf_event_open", 0}, {"seccomp", 0},
	} {
		nr, err := lib.GetSyscallFromNameByArch(row.call, arches[goarch])
		if err != nil {
			t.Fatal(row.call, err)
		}
		got := class(p.run(data{nr: uint32(nr), arch: auditArch[goarch], args: [6]uint64{row.arg}}))
		if got == Allow || got == Log || row.call == clone3 && got != "ENOSYS" {
			t.Errorf("%s(%#x) gets %s", row.call, row.arg, got)
		}
	}
}

// checkPolicy: what runs here is what jail-plan makes of the profile. Its tests write these files.
func checkPolicy(t *testing.T, r *Resolved, name, goarch string) {
	t.Helper()
	got, err := r.PFC(goarch)
	if err != nil {
		t.Fatal(err)
	}
	const dir = "../../cmd/jail-plan/testdata/pfc/"
	want, err := os.ReadFile(dir + name + "." + goarch)
	if other, ok := strings.CutPrefix(string(want), "as "); ok && err == nil {
		want, err = os.ReadFile(dir + strings.TrimSpace(other))
	}
	if err != nil || got != string(want) {
		t.Errorf("not what %s has: %v", dir, err)
	}
}

// embedded is the policy of an embedded profile.
func embedded(t *testing.T, name string) Policy {
	t.Helper()
	p, problems := profile.Load(name, func(name string, _ *profile.Source) (profile.Source, error) {
		data, err := profiles.FS.ReadFile(name + ".toml")
		return profile.Source{Name: name + ".toml", Data: data, Origin: profile.Embedded}, err
	})
	if problems != nil {
		t.Fatal(step.Problems(problems))
	}
	s := p.Settings.Seccomp
	items := func(names []profile.Named) (out []Item) {
		for _, n := range names {
			out = append(out, at(-n.Depth, n.Name))
		}
		return out
	}
	out := Policy{Default: s.Default, Refuse: s.Refuse, Allow: items(s.Allow), Deny: items(s.Deny)}
	for call, w := range s.When {
		out.When = append(out.When, whenAt(-w.Depth, call, w.Rules...))
	}
	for call, e := range s.Errno {
		out.Errno = append(out.Errno, errnoAt(-e.Depth, call, e.Name))
	}
	return out
}
