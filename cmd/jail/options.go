package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

// options are those of jail run.
type options struct {
	source
	planFile              string
	extra                 []plan.Entry // what the command line adds to the plan
	stdin, stdout, stderr string
	inheritFDs            bool
	result                string
	argv                  []string
}

// parseRun reads the command line of jail run.
func parseRun(args []string, stdout io.Writer) (options, error) {
	var o options
	f := newFlags("run", "-- PROG ARGS…")
	o.source.flags(f)
	add := func(option string, parse func(string) (step.Step, error)) func(string) error {
		return func(value string) error {
			s, err := parse(value)
			if err != nil {
				return err
			}
			o.extra = append(o.extra, plan.Entry{At: "--" + option, Step: s})
			return nil
		}
	}
	f.Func("bind", "`SRC[:DST[:rw]]` show a file or directory of the host inside, read-only unless rw", add("bind", parseBind))
	f.Func("tmpfs", "`DST[:SIZE]` an empty file system in memory", add("tmpfs", parseTmpfs))
	f.Func("env", "`K[=V]` a variable; without a value the caller's", add("env", parseEnv))
	f.Func("cwd", "`DIR` the working directory, inside", add("cwd", parseCwd))
	f.Func("limit", "`NAME=VALUE` a limit: wall=3s", add("limit", parseLimit))
	f.StringVar(&o.planFile, "plan", "", "`FILE` a plan made by jail plan -o, in place of a profile")
	f.StringVar(&o.stdin, "stdin", "", "`FILE` standard input")
	f.StringVar(&o.stdout, "stdout", "", "`FILE` standard output")
	f.StringVar(&o.stderr, "stderr", "", "`FILE` standard error")
	f.BoolVar(&o.inheritFDs, "inherit-fds", false, "give the program jail's own files as standard input and output, not pipes to them; it may reopen them")
	f.StringVar(&o.result, "result", "", "`FILE|fd:N|-` where to write the result")
	if err := parse(f, args, stdout); err != nil {
		return o, err
	}
	o.argv = f.Args()
	if len(o.argv) == 0 {
		return o, errors.New("which program? jail run [options] -- PROG ARGS")
	}
	return o, nil
}

// newFlags are the options of a verb. They say nothing by themselves: what is wrong is said once, by who asked.
func newFlags(verb, rest string) *flag.FlagSet {
	f := flag.NewFlagSet("jail "+verb, flag.ContinueOnError)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "usage: jail %s [options] %s\n", verb, rest)
		f.PrintDefaults()
	}
	f.SetOutput(io.Discard)
	return f
}

// parse reads options; asked for help, it gives it on stdout, and the error is flag.ErrHelp.
func parse(f *flag.FlagSet, args []string, stdout io.Writer) error {
	err := f.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(stdout)
		f.Usage()
		return err
	}
	if err != nil {
		return fmt.Errorf("%w (%s -h lists the options)", err, f.Name())
	}
	return nil
}

// flags are the options of all verbs that make a plan.
func (s *source) flags(f *flag.FlagSet) {
	f.StringVar(&s.profile, "p", "default", "`PROFILE` a profile's name or path")
	list := func(to *[]string) func(string) error {
		return func(dir string) error { *to = append(*to, dir); return nil }
	}
	f.Func("profile-dir", "`DIR` where to look for profiles first", list(&s.profileDirs))
	f.Func("plugin-dir", "`DIR` where to look for planners too", list(&s.pluginDirs))
	s.cacheFlag(f)
}

// cacheFlag is the one of them that jail cache has as well.
func (s *source) cacheFlag(f *flag.FlagSet) {
	f.StringVar(&s.cacheDir, "cache-dir", "", "`DIR` where to keep plans (default: jail in the user's cache directory)")
}

// splitColons splits at the colons that no backslash escapes.
func splitColons(s string) []string {
	parts := []string{""}
	for i := 0; i < len(s); i++ {
		last := len(parts) - 1
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == ':':
			i++
			parts[last] += ":"
		case s[i] == ':':
			parts = append(parts, "")
		default:
			parts[last] += s[i : i+1]
		}
	}
	return parts
}

// parseBind reads SRC[:DST[:rw]]. A relative source is below the caller's directory.
func parseBind(value string) (step.Step, error) {
	parts := splitColons(value)
	if len(parts) > 3 || len(parts) == 3 && parts[2] != "rw" && parts[2] != "ro" {
		return nil, errors.New(`SRC, SRC:DST or SRC:DST:rw is wanted (a colon in a path is written \:)`)
	}
	if parts[0] == "" || strings.IndexByte(value, 0) >= 0 {
		return nil, errors.New("the source is empty or has a NUL byte")
	}
	src, err := filepath.Abs(parts[0])
	if err != nil {
		return nil, err
	}
	b := step.Bind{Source: src, Target: src}
	if len(parts) > 1 && parts[1] != "" {
		b.Target = parts[1]
	}
	b.RW = len(parts) > 2 && parts[2] == "rw"
	return b, b.Check()
}

// parseTmpfs reads DST[:SIZE].
func parseTmpfs(value string) (step.Step, error) {
	parts := splitColons(value)
	t := step.Tmpfs{Target: parts[0], Size: step.DefaultTmpfsSize, Inodes: step.DefaultTmpfsInodes, Mode: step.DefaultTmpfsMode}
	if len(parts) > 2 {
		return nil, errors.New(`DST or DST:SIZE is wanted`)
	}
	if len(parts) == 2 {
		size, err := section.ParseSize(parts[1])
		if err != nil {
			return nil, err
		}
		t.Size = int64(size)
	}
	return t, t.Check()
}

func parseEnv(value string) (step.Step, error) {
	name, v, set := strings.Cut(value, "=")
	e := step.Env{Name: name}
	if set {
		e.Value = &v
	}
	return e, e.Check()
}

func parseCwd(value string) (step.Step, error) {
	c := step.Cwd{Dir: value}
	if value == "" {
		return nil, errors.New("a directory is wanted")
	}
	return c, c.Check()
}

// parseLimit reads NAME=VALUE; the value's unit is the limit's. Outputs take 64MiB and 64MiB,truncate.
func parseLimit(value string) (step.Step, error) {
	name, v, ok := strings.Cut(value, "=")
	if !ok {
		return nil, errors.New("NAME=VALUE is wanted")
	}
	l := step.Limit{Name: name}
	unit, met := step.LimitUnit(name)
	if !met {
		return nil, l.Check()
	}
	if name == "stdout" || name == "stderr" {
		if v, l.Over, ok = strings.Cut(v, ","); !ok {
			l.Over = step.OverKill
		}
	}
	var err error
	switch unit {
	case "time":
		var d section.Duration
		d, err = section.ParseDuration(v)
		l.Value = int64(d)
	case "size":
		var n section.Size
		n, err = section.ParseSize(v)
		l.Value = int64(n)
	}
	if err != nil {
		return nil, err
	}
	return l, l.Check()
}
