package main

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/step"
)

func TestRunOptions(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	value, empty := "a=b", ""
	for _, row := range []struct {
		option, value string
		want          step.Step
	}{
		{"bind", "/data", step.Bind{Source: "/data", Target: "/data"}},
		{"bind", "/data:/in", step.Bind{Source: "/data", Target: "/in"}},
		{"bind", "/data:/in:rw", step.Bind{Source: "/data", Target: "/in", RW: true}},
		{"bind", "/data::rw", step.Bind{Source: "/data", Target: "/data", RW: true}},
		{"bind", `/a\:b:/c\:d`, step.Bind{Source: "/a:b", Target: "/c:d"}},
		{"bind", `/a\b`, step.Bind{Source: `/a\b`, Target: `/a\b`}},
		{"bind", "sub", step.Bind{Source: filepath.Join(cwd, "sub"), Target: filepath.Join(cwd, "sub")}},
		{"tmpfs", "/t", step.Tmpfs{Target: "/t", Size: 16 << 20, Inodes: 1024, Mode: 0o1777}},
		{"tmpfs", "/t:1MiB", step.Tmpfs{Target: "/t", Size: 1 << 20, Inodes: 1024, Mode: 0o1777}},
		{"env", "A=a=b", step.Env{Name: "A", Value: &value}},
		{"env", "A=", step.Env{Name: "A", Value: &empty}},
		{"env", "A", step.Env{Name: "A"}},
		{"cwd", "/work", step.Cwd{Dir: "/work"}},
		{"limit", "wall=1.5s", step.Limit{Name: "wall", Value: 15e8}},
		{"limit", "stdout=1KiB", step.Limit{Name: "stdout", Value: 1024, Over: step.OverKill}},
		{"limit", "stderr=0,truncate", step.Limit{Name: "stderr", Over: step.OverTruncate}},
		{"limit", "file_size=1MiB", step.Limit{Name: "file_size", Value: 1 << 20}},
	} {
		o, err := parseRun([]string{"--" + row.option, row.value, "--", "true"}, io.Discard)
		want := []plan.Entry{{At: "--" + row.option, Step: row.want}}
		if err != nil || !reflect.DeepEqual(o.extra, want) {
			t.Errorf("--%s %s: %+v, %v; want %+v", row.option, row.value, o.extra, err, want)
		}
	}
}

func TestBadRunOptions(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"", "which program?"},
		{"--", "which program?"},
		{"--no-such -- x", "not defined: -no-such"},
		{"--bind /a:/b:rx -- x", "SRC:DST:rw is wanted"},
		{"--bind /a:/b:rw:x -- x", "SRC:DST:rw is wanted"},
		{"--bind : -- x", "the source is empty"},
		{"--bind /a:b -- x", "path is relative: b"},
		{"--bind /a:/b/../c -- x", ".. component"},
		{"--bind /proc:/p -- x", "the host's /proc"},
		{"--bind /a:/ -- x", "the root itself"},
		{"--tmpfs /t:1:2 -- x", "DST:SIZE is wanted"},
		{"--tmpfs /t:12XB -- x", "not a size"},
		{"--env =v -- x", "cannot be a variable's name"},
		{"--cwd work -- x", "path is relative"},
		{"--cwd= -- x", "a directory is wanted"},
		{"--limit wall -- x", "NAME=VALUE is wanted"},
		{"--limit wall=3 -- x", "3"},
		{"--limit wall=-1s -- x", "-1s"},
		{"--limit stdout=1KiB,cut -- x", `over is "cut"`},
		{"--limit file_size=1KiB,kill -- x", "not a size"},
		{"--limit memory=1MiB -- x", `does not enforce the limit "memory"`},
		{"--limit wal=1s -- x", `does not enforce the limit "wal"`},
	} {
		if _, err := parseRun(strings.Fields(row.args), io.Discard); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.args, err, row.want)
		}
	}
}

func TestPlannersOptions(t *testing.T) {
	o, err := parseRun([]string{"-p", "python", "--profile-dir", "/a", "--profile-dir", "/b", "--plugin-dir", "/c", "x", "-y"}, io.Discard)
	if got := strings.Join(o.source.args(), " "); err != nil || got != "-p python --profile-dir /a --profile-dir /b --plugin-dir /c" {
		t.Errorf("%s, %v", got, err)
	}
	if got := strings.Join(o.argv, " "); got != "x -y" {
		t.Errorf("argv %s", got)
	}
}

func TestConfiguredIDs(t *testing.T) {
	for text, want := range map[string]idRange{
		"": defaultIDs, "alice:100000:65536\n": defaultIDs, "alice:1:2\njail:80000:10\n": {80000, 10},
		"jail:0:10\n": {}, "jail:10\n": {}, "jail:10:0\n": {}, "jail:x:1\n": {},
	} {
		file := filepath.Join(t.TempDir(), "subuid")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := configuredIDs(file)
		if (err != nil) != (want == idRange{}) || err == nil && got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	if got, err := configuredIDs(filepath.Join(t.TempDir(), "none")); err != nil || got != defaultIDs {
		t.Errorf("without the file: %v, %v", got, err)
	}
}

func TestOpenResult(t *testing.T) {
	dir := t.TempDir()
	read, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	for name, want := range map[string]string{
		"fd:x": "a descriptor's number", "fd:-1": "a descriptor's number", "fd:9999": "bad file descriptor",
		dir: "is a directory", dir + "/no/file": "no such file", "fd:" + strconv.Itoa(int(read.Fd())): "not open for writing",
	} {
		if _, err := openResult(name, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
