package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jail-sandbox/jail/core/plan/cache"
	"github.com/jail-sandbox/jail/core/trust"
)

// A source says where a plan comes from; its options are jail-plan's.
type source struct {
	profile     string
	profileDirs []string
	pluginDirs  []string
	arches      []string
	cacheDir    string
}

// said is an error of jail-plan, which has already told the user.
type said string

func (e said) Error() string { return string(e) }

func (s source) args() []string {
	args := []string{"-p", s.profile}
	for _, d := range s.profileDirs {
		args = append(args, "--profile-dir", d)
	}
	for _, d := range s.pluginDirs {
		args = append(args, "--plugin-dir", d)
	}
	for _, a := range s.arches {
		args = append(args, "--arch", a)
	}
	return args
}

// findPlan takes the plan out of the cache, or makes it. Without a cache it makes it each time, and says so.
func (s source) findPlan(ctx context.Context, stderr io.Writer) (cache.Made, error) {
	c, name, err := s.cache()
	if err != nil {
		fmt.Fprintln(stderr, "jail: no plan cache, planning each time:", err)
		return s.make(ctx, stderr)
	}
	defer c.Close()
	made, err := c.Plan(ctx, name, func() (cache.Made, error) { return s.make(ctx, stderr) })
	var unwritten *cache.WriteError
	if !errors.As(err, &unwritten) {
		return made, err
	}
	fmt.Fprintln(stderr, "jail: planning each time:", unwritten)
	if made.Plan != nil {
		return made, nil
	}
	return s.make(ctx, stderr)
}

// cache opens the cache, and names the entry for what is asked.
func (s source) cache() (*cache.Cache, string, error) {
	dir := s.cacheDir
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, "", err
		}
		dir = filepath.Join(base, "jail")
	}
	key, err := s.key()
	if err != nil {
		return nil, "", err
	}
	c, err := cache.Open(dir)
	return c, cache.Name(key...), err
}

// key is all that decides which plan is asked for. What that plan is then made of is in the entry.
func (s source) key() ([]string, error) {
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	config, err := os.UserConfigDir()
	if err != nil {
		config = "" // no home: there are no profiles and planners of the user's
	}
	cwd := ""
	if s.relative() {
		if cwd, err = os.Getwd(); err != nil {
			return nil, err
		}
	}
	return append([]string{runtime.GOARCH, fmt.Sprint(cache.File("", self)), config, cwd}, s.args()...), nil
}

// relative says whether the names mean other files in another directory. A profile's name without a slash does not.
func (s source) relative() bool {
	notAbs := func(dir string) bool { return !filepath.IsAbs(dir) }
	return strings.Contains(s.profile, "/") && notAbs(s.profile) || slices.ContainsFunc(slices.Concat(s.profileDirs, s.pluginDirs), notAbs)
}

// make asks jail-plan, and with it the planners. They are all dead when it returns.
func (s source) make(ctx context.Context, stderr io.Writer) (cache.Made, error) {
	path, err := planner()
	if err != nil {
		return cache.Made{}, err
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, path, append([]string{"plan"}, s.args()...)...)
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(stderr, &errs)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it ends its planners, and itself
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Exited() {
			return cache.Made{}, said(strings.TrimSpace(errs.String()))
		}
		return cache.Made{}, fmt.Errorf("jail-plan: %w", err)
	}
	return cache.Decode(out.Bytes())
}

// planner is jail-plan's path: always beside the binary that runs, never by PATH.
func planner() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), "../libexec/jail/jail-plan")
	err = trust.Callers().Executable(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: it belongs beside jail, in ../libexec/jail", err)
	}
	if err != nil {
		return "", fmt.Errorf("jail-plan is not started: %w", err)
	}
	return path, nil
}

// handOver gives a verb to jail-plan as it is.
func handOver(verb string) func([]string, io.Writer, io.Writer) int {
	return func(args []string, _, stderr io.Writer) int {
		path, err := planner()
		if err == nil {
			err = syscall.Exec(path, append([]string{"jail-plan", verb}, args...), os.Environ())
		}
		return fail(stderr, exitUsage, err)
	}
}

// protected are the files and directories that no jail may write: what is in them runs outside, or decides what a jail is.
// The plan's inputs are, and the absent ones among them too.
func protected(s source, inputs []cache.Input) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dirs := []string{self, filepath.Join(filepath.Dir(self), "../libexec/jail"), "/etc/jail", s.cacheDir}
	for _, base := range []func() (string, error){os.UserConfigDir, os.UserCacheDir} {
		if d, err := base(); err == nil { // without a home there is none
			dirs = append(dirs, filepath.Join(d, "jail"))
		}
	}
	dirs = slices.Concat(dirs, s.profileDirs, s.pluginDirs)
	for _, in := range inputs {
		dirs = append(dirs, in.Path)
	}
	dirs = slices.DeleteFunc(dirs, func(d string) bool { return d == "" })
	for i, d := range dirs {
		if dirs[i], err = filepath.Abs(d); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}
