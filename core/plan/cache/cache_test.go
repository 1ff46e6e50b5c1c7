package cache_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/plan/cache"
	"github.com/jail-sandbox/jail/core/step"
)

func testPlan(t testing.TB) *plan.Plan {
	t.Helper()
	value := "C.UTF-8"
	of := func(owner string, namespaces []string, steps ...step.Step) plan.Contribution {
		c := plan.Contribution{Owner: owner, Namespaces: namespaces}
		for _, s := range steps {
			c.Entries = append(c.Entries, plan.Entry{At: "a.toml:1", Step: s})
		}
		return c
	}
	p, problems := plan.Make("test", []plan.Contribution{
		of("userns", []string{"user"}, step.IDMap{UID: -0, GID: 7, Map: step.MapCaller}),
		of("ipcuts", []string{"ipc", "uts"}, step.Hostname{Name: "jail"}), of("netns", []string{"net"}, step.Loopback{}),
		of("mountns", []string{"mnt"}, step.RootFS{Size: 1 << 20, Inodes: 64}, step.Bind{Source: "/usr", Target: "/usr", RW: true, Optional: true},
			step.File{Target: "/f", Content: "x\x00\xff", Mode: 0o644}),
		of("pidns", []string{"pid"}, step.Proc{Target: "/proc", Mode: step.ProcPID}),
		of(step.Core, nil, step.Umask{Mask: 0o22}, step.Cwd{}, step.Rlimit{Name: "stack", Value: step.Unlimited},
			step.Env{Name: "LANG", Value: &value}, step.Env{Name: "TERM"},
			step.Filter{Default: "kill", Rules: []step.Rule{{Call: "read", Action: "allow", When: []string{"arg0 == 0", "arg0 == 1"}, From: "@judge"}},
				BPF: map[string][]byte{"amd64": make([]byte, 16), "arm64": bytes.Repeat([]byte{1}, 8)}}),
	})
	if problems != nil {
		t.Fatal(step.Problems(problems))
	}
	p.Warnings = []string{"be careful"}
	return p
}

// old is long enough ago for git's racy rule.
var old = time.Now().Add(-time.Hour)

// input makes a file and the input that it is.
func input(t *testing.T, dir, name string) cache.Input {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return cache.File(file, info)
}

// later is a making at which no file of this test is racy any more.
func later() int64 { return time.Now().Add(time.Hour).UnixNano() }

func open(t *testing.T, dir string) *cache.Cache {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.Chmod(dir, 0o700)) // t.TempDir gives 0755
	c, err := cache.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// asks counts how often a plan has to be made.
type asks struct {
	made cache.Made
	n    atomic.Int32
}

func (a *asks) create() (cache.Made, error) {
	a.n.Add(1)
	return a.made, nil
}

// wants demands that finding the entry takes so many makings in all.
func (a *asks) wants(t *testing.T, c *cache.Cache, n int32, why string) {
	t.Helper()
	got, err := c.Plan(context.Background(), cache.Name("k"), a.create)
	if err != nil || got.Plan.Fingerprint() != a.made.Plan.Fingerprint() || got.Plan.Text() != a.made.Plan.Text() ||
		!slices.Equal(got.Inputs, a.made.Inputs) {
		t.Fatalf("%s: %v, or another plan", why, err)
	}
	if times := a.n.Load(); times != n {
		t.Errorf("%s: made %d times, want %d", why, times, n)
	}
}

func TestRoundTrip(t *testing.T) {
	made := cache.Made{Plan: testPlan(t), Inputs: []cache.Input{cache.Missing("/x"), input(t, t.TempDir(), "a")}, At: old.UnixNano()}
	data := cache.Encode(made)
	got, err := cache.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if again := cache.Encode(got); !bytes.Equal(again, data) || got.Plan.Text() != made.Plan.Text() {
		t.Error("an entry that was read is another one")
	}
}

// TestFlippedAndCutEntriesAreNotThere: at every byte, in three ways.
func TestFlippedAndCutEntriesAreNotThere(t *testing.T) {
	good := cache.Encode(cache.Made{Plan: testPlan(t), At: later()})
	for i := range good {
		for _, bit := range []byte{1, 0x80, 0xff} {
			bad := bytes.Clone(good)
			bad[i] ^= bit
			if _, err := cache.Decode(bad); err == nil {
				t.Fatalf("byte %d of %d flipped with %#x: still taken", i, len(good), bit)
			}
		}
		if _, err := cache.Decode(good[:i]); err == nil {
			t.Fatalf("cut to %d bytes: still taken", i)
		}
	}
	if _, err := cache.Decode(append(good, 0)); err == nil {
		t.Error("a byte more: still taken")
	}
}

func TestWarm(t *testing.T) {
	dir := t.TempDir()
	a := &asks{made: cache.Made{Plan: testPlan(t), Inputs: []cache.Input{input(t, dir, "a"), cache.Missing(dir + "/none")}, At: later()}}
	c := open(t, filepath.Join(dir, "cache"))
	a.wants(t, c, 1, "cold")
	a.wants(t, c, 1, "warm")
	a.wants(t, open(t, filepath.Join(dir, "cache")), 1, "another process")
}

func TestStale(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string){
		"content":  func(t *testing.T, dir string) { write(t, dir+"/a", "b") },
		"size":     func(t *testing.T, dir string) { write(t, dir+"/a", "longer") },
		"replaced": func(t *testing.T, dir string) { write(t, dir+"/b", "a"); rename(t, dir+"/b", dir+"/a") },
		"touched":  func(t *testing.T, dir string) { touch(t, dir+"/a") },
		"removed":  func(t *testing.T, dir string) { remove(t, dir+"/a") },
		"shadowed": func(t *testing.T, dir string) { write(t, dir+"/none", "") },
	} {
		dir := t.TempDir()
		a := &asks{made: cache.Made{Plan: testPlan(t), Inputs: []cache.Input{input(t, dir, "a"), cache.Missing(dir + "/none")}, At: later()}}
		c := open(t, filepath.Join(dir, "cache"))
		a.wants(t, c, 1, name+": cold")
		change(t, dir)
		a.wants(t, c, 2, name+": changed")
	}
}

func write(t *testing.T, file, text string) { must(t, os.WriteFile(file, []byte(text), 0o600)) }
func rename(t *testing.T, from, to string)  { must(t, os.Rename(from, to)) }
func remove(t *testing.T, file string)      { must(t, os.Remove(file)) }
func touch(t *testing.T, file string)       { must(t, os.Chtimes(file, old, old)) }
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRacy: an input that changed less than 2 s before the entry was begun may change again unseen.
func TestRacy(t *testing.T) {
	dir := t.TempDir()
	in := input(t, dir, "a")
	for _, row := range []struct {
		at   int64
		want int32
	}{{in.Ctime + int64(1900*time.Millisecond), 2}, {in.Ctime + int64(2100*time.Millisecond), 1}} {
		a := &asks{made: cache.Made{Plan: testPlan(t), Inputs: []cache.Input{in}, At: row.at}}
		c := open(t, t.TempDir())
		a.wants(t, c, 1, "cold")
		a.wants(t, c, row.want, "again")
	}
}

// TestForeignEntriesAreNotThere: what somebody else could have put there is made anew, and then replaced.
func TestForeignEntriesAreNotThere(t *testing.T) {
	name := cache.Name("k")
	for what, spoil := range map[string]func(t *testing.T, file string){
		"a link":          func(t *testing.T, file string) { rename(t, file, file+"x"); must(t, os.Symlink(file+"x", file)) },
		"a second name":   func(t *testing.T, file string) { must(t, os.Link(file, file+"x")) },
		"readable":        func(t *testing.T, file string) { must(t, os.Chmod(file, 0o640)) },
		"writable":        func(t *testing.T, file string) { must(t, os.Chmod(file, 0o602)) },
		"truncated":       func(t *testing.T, file string) { must(t, os.Truncate(file, 100)) },
		"empty":           func(t *testing.T, file string) { must(t, os.Truncate(file, 0)) },
		"another version": func(t *testing.T, file string) { write(t, file, "jail.cache/0\nx") },
		"huge":            func(t *testing.T, file string) { must(t, os.Truncate(file, 9<<20)) },
	} {
		dir := t.TempDir()
		a := &asks{made: cache.Made{Plan: testPlan(t), At: later()}}
		c := open(t, dir)
		a.wants(t, c, 1, what+": cold")
		spoil(t, filepath.Join(dir, name))
		a.wants(t, c, 2, what+": spoiled")
		a.wants(t, c, 2, what+": replaced")
	}
}

// TestForeignOwner needs root to give a file away.
func TestForeignOwner(t *testing.T) {
	dir := t.TempDir()
	a := &asks{made: cache.Made{Plan: testPlan(t), At: later()}}
	c := open(t, dir)
	a.wants(t, c, 1, "cold")
	if err := os.Chown(filepath.Join(dir, cache.Name("k")), 12345, -1); err != nil {
		if os.Geteuid() == 0 {
			t.Fatal(err)
		}
		return // an ordinary user cannot make the case, and nobody can make it for them
	}
	a.wants(t, c, 2, "another owner")
	must(t, os.Chown(dir, 12345, -1))
	if _, err := cache.Open(dir); err == nil || !strings.Contains(err.Error(), "belongs to uid 12345") {
		t.Errorf("a directory of another's: %v", err)
	}
}

func TestForeignDirectories(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/open", 0o700))
	must(t, os.Chmod(dir+"/open", 0o750))
	must(t, os.Mkdir(dir+"/real", 0o700))
	must(t, os.Symlink("real", dir+"/link"))
	write(t, dir+"/file", "")
	for name, want := range map[string]string{"open": "mode 0750", "link": "is a link", "file": "not a directory"} {
		if _, err := cache.Open(filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func TestAHerdPlansOnce(t *testing.T) {
	dir := t.TempDir()
	a := &asks{made: cache.Made{Plan: testPlan(t), At: later()}}
	slow := func() (cache.Made, error) {
		time.Sleep(50 * time.Millisecond)
		return a.create()
	}
	var wg sync.WaitGroup
	for range 20 {
		c := open(t, dir) // a lock of its own: flock goes by open file
		wg.Go(func() {
			if _, err := c.Plan(context.Background(), cache.Name("k"), slow); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := a.n.Load(); n != 1 {
		t.Errorf("made %d times", n)
	}
}

func TestWaitingForTheLockEnds(t *testing.T) {
	dir := t.TempDir()
	holder, waiter := open(t, dir), open(t, dir)
	_, err := holder.Plan(context.Background(), cache.Name("k"), func() (cache.Made, error) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		_, err := waiter.Plan(ctx, cache.Name("k"), func() (cache.Made, error) {
			t.Error("two have the lock")
			return cache.Made{}, nil
		})
		return cache.Made{}, err
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestErrorsAreNotKept(t *testing.T) {
	c := open(t, t.TempDir())
	wrong := errors.New("wrong")
	if _, err := c.Plan(context.Background(), cache.Name("k"), func() (cache.Made, error) { return cache.Made{}, wrong }); !errors.Is(err, wrong) {
		t.Error(err)
	}
	a := &asks{made: cache.Made{Plan: testPlan(t), At: later()}}
	a.wants(t, c, 1, "after an error")
}

func TestListAndClear(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	a := &asks{made: cache.Made{Plan: testPlan(t), Inputs: []cache.Input{input(t, t.TempDir(), "a")}, At: later()}}
	a.wants(t, c, 1, "cold")
	write(t, filepath.Join(dir, cache.Name("broken")), "x")
	write(t, filepath.Join(dir, "not-ours"), "x")
	list, err := c.List()
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, e := range list {
		if good := e.Name == cache.Name("k"); e.Fresh != good || (e.Profile == "test") != good {
			t.Errorf("%+v", e)
		}
	}
	if n, err := c.Clear(); n != 2 || err != nil {
		t.Errorf("cleared %d, %v", n, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "not-ours" {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestTheOldestEntriesGo(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	for i := range 300 {
		file := filepath.Join(dir, cache.Name(strconv.Itoa(i)))
		write(t, file, "x")
		write(t, file+".lock", "")
		made := old.Add(time.Duration(i) * time.Second)
		must(t, os.Chtimes(file, made, made))
	}
	a := &asks{made: cache.Made{Plan: testPlan(t), At: later()}}
	a.wants(t, c, 1, "cold")
	list, err := c.List()
	if err != nil || len(list) != 256 {
		t.Fatalf("%d entries are left, %v", len(list), err)
	}
	for i, left := range map[int]bool{0: false, 44: false, 45: true, 299: true} {
		if _, err := os.Stat(filepath.Join(dir, cache.Name(strconv.Itoa(i)))); (err == nil) != left {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	a.wants(t, c, 1, "the new one")
}

func FuzzDecode(f *testing.F) {
	f.Add(cache.Encode(cache.Made{Plan: testPlan(f), At: 1})[len(cache.Magic)+cache.SumSize:])
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := cache.Decode(cache.Seal(data))
		if err == nil && m.Plan.Check() != nil {
			t.Error("a plan that no check has seen")
		}
	})
}
