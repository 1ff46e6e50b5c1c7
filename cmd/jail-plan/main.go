// Command jail-plan makes plans: all that needs plugins, libseccomp or TOML, in a process that jail starts when it has no
// plan and that is gone before the program starts. It never launches anything but planners.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/jail-sandbox/jail/core/host"
	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/plan/cache"
	"github.com/jail-sandbox/jail/core/profile"
	"github.com/jail-sandbox/jail/core/seccomp"
	"github.com/jail-sandbox/jail/core/step"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes: the answer is yes, no, or the question was not understood.
const (
	exitYes = iota
	exitNo
	exitUsage
)

func run(args []string, stdout, stderr io.Writer) int {
	verbs := map[string]func(context.Context, *finder, []string, io.Writer) error{
		"plan": planVerb, "check": checkVerb, "plugins": pluginsVerb, "profiles": profilesVerb,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		fmt.Fprintln(stderr, "jail-plan: it is started by jail, with plan, check, plugins or profiles")
		return exitUsage
	}
	find, rest, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitYes
	case err != nil:
		fmt.Fprintln(stderr, "jail:", err)
		return exitUsage
	}
	// An interrupt ends the planners and their directory before it ends us.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = verbs[args[0]](ctx, find, rest, stdout)
	var problems step.Problems
	switch {
	case err == nil:
		return exitYes
	case ctx.Err() != nil: // that the planners were stopped is no news
		return exitNo
	case errors.As(err, &problems):
		fmt.Fprintln(stderr, problems)
	default:
		fmt.Fprintln(stderr, "jail:", err)
	}
	return exitNo
}

// parse reads a verb's options. Asked for help, it gives it on stdout.
func parse(args []string, stdout io.Writer) (*finder, []string, error) {
	find := &finder{}
	f := flag.NewFlagSet("jail "+args[0], flag.ContinueOnError)
	f.SetOutput(io.Discard)
	list := func(to *[]string) func(string) error {
		return func(dir string) error { *to = append(*to, dir); return nil }
	}
	f.Func("profile-dir", "`DIR` where to look for profiles first", list(&find.profileDirs))
	f.Func("plugin-dir", "`DIR` where to look for planners too", list(&find.pluginDirs))
	switch args[0] {
	case "plan": // jail's own: jail plan has a help of its own
		f.StringVar(&find.profile, "p", "default", "")
		f.Func("arch", "", list(&find.arches))
	case "check":
		f.BoolVar(&find.plans, "plan", false, "the names are plan files")
	}
	if err := f.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		f.SetOutput(stdout)
		fmt.Fprintf(stdout, "usage: jail %s [options] NAME…\n", args[0])
		f.PrintDefaults()
		return nil, nil, err
	} else if err != nil {
		return nil, nil, fmt.Errorf("%w (jail %s -h lists the options)", err, args[0])
	}
	if find.arches == nil {
		find.arches = []string{runtime.GOARCH}
	}
	return find, f.Args(), nil
}

// planVerb writes the plan of a profile, with all that it was made of, in the form that jail keeps.
func planVerb(ctx context.Context, find *finder, _ []string, stdout io.Writer) error {
	begun := time.Now().UnixNano()
	if err := find.self(); err != nil {
		return err
	}
	p, problems := makePlan(ctx, find, find.profile)
	if problems != nil {
		return step.Problems(problems)
	}
	_, err := stdout.Write(cache.Encode(cache.Made{Plan: p, Inputs: find.inputs, At: begun}))
	return err
}

// checkVerb makes the plans of profiles and says everything that is wrong.
func checkVerb(ctx context.Context, find *finder, names []string, stdout io.Writer) error {
	if len(names) == 0 {
		return errors.New("check: which profiles?")
	}
	if find.plans {
		return checkPlans(names, stdout)
	}
	var all step.Problems
	for _, name := range names {
		p, problems := makePlan(ctx, find, name)
		all = append(all, problems...)
		if problems != nil {
			continue
		}
		for _, w := range p.Warnings {
			fmt.Fprintln(stdout, "warning:", step.Quote(w))
		}
		fmt.Fprintf(stdout, "%s: good, %s\n", step.Quote(name), p.Fingerprint())
	}
	if all != nil {
		profile.Sort(all)
		return all
	}
	return nil
}

// checkPlans checks plan files: that each is sound, and that its filters are what its policy gives.
func checkPlans(files []string, stdout io.Writer) error {
	var errs []error
	for _, name := range files {
		p, err := readPlan(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", step.Quote(name), err))
			continue
		}
		fmt.Fprintf(stdout, "%s: good, %s\n", step.Quote(name), p.Fingerprint())
	}
	return errors.Join(errs...)
}

// readPlan reads a plan file and makes its filters again.
func readPlan(name string) (*plan.Plan, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	p, err := plan.Decode(data)
	if err != nil {
		return nil, err
	}
	f := p.Filter()
	resolved := seccomp.Resolved{Default: f.Default}
	for _, r := range f.Rules {
		resolved.Rules = append(resolved.Rules, seccomp.Rule(r))
	}
	for arch, bpf := range f.BPF {
		again, err := resolved.Compile(arch)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(again, bpf) {
			return nil, fmt.Errorf("its filter for %s is not what its policy gives here: another libseccomp made it, or it was changed", step.Quote(arch))
		}
	}
	return p, nil
}

// pluginsVerb lists planners, or shows one with its section's keys.
func pluginsVerb(ctx context.Context, find *finder, names []string, stdout io.Writer) error {
	answers, problems := host.New(find.hostConfig()).Describe(ctx)
	found := false
	for _, a := range answers {
		if len(names) > 0 && names[0] != a.Name {
			continue
		}
		found = true
		fmt.Fprintf(stdout, "%-10s %-8s %s  %s\n           %s\n", a.Name, step.Quote(a.Info.Version), a.Digest, step.Quote(a.Path), step.Quote(a.Info.Doc))
		for _, line := range keys(a.Info.Schema) {
			fmt.Fprintf(stdout, "           %s\n", line)
		}
	}
	if len(names) > 0 && !found {
		problems = append(problems, step.Problem{Text: fmt.Sprintf(`no planner "%s"`, step.Quote(names[0]))})
	}
	if problems != nil {
		return step.Problems(problems)
	}
	return nil
}
