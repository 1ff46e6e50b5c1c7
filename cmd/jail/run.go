package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/jail-sandbox/jail/core/compile"
	"github.com/jail-sandbox/jail/core/launch"
	"github.com/jail-sandbox/jail/core/plan"
	"github.com/jail-sandbox/jail/core/plan/cache"
	"github.com/jail-sandbox/jail/core/report"
	"github.com/jail-sandbox/jail/core/step"
)

// runVerb is jail run: whatever happens, the result says it.
func runVerb(args []string, stdout, stderr io.Writer) int {
	o, err := parseRun(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	results, openErr := openResult(o.result, stdout)
	if openErr != nil {
		return fail(stderr, report.ExitSetup, openErr)
	}
	ctx, stop := untilSignal()
	defer stop()
	var r report.Result
	if err != nil {
		r = notStarted(nil, err, stderr)
	} else {
		r = runJail(ctx, o, stderr)
	}
	if err := results.write(r); err != nil {
		return fail(stderr, report.ExitSetup, err)
	}
	if r.Cause == report.CauseCancelled {
		return 128 + int(context.Cause(ctx).(signalled))
	}
	return r.Status()
}

// signalled is a signal that asks jail to end, as the cause of a context.
type signalled syscall.Signal

func (s signalled) Error() string { return syscall.Signal(s).String() }

// untilSignal is a context that the first signal to end ends. A signal that the caller has ignored stays ignored, as
// nohup and background jobs want it.
func untilSignal() (context.Context, func()) {
	signal.Ignore(syscall.SIGPIPE) // a reader who left ends the program, by its own SIGPIPE, and not jail before its result
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		if s, ok := <-signals; ok {
			cancel(signalled(s.(syscall.Signal)))
			signal.Reset(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT) // a second one ends jail at once
		}
	}()
	return ctx, func() { signal.Stop(signals); close(signals) }
}

// runJail goes the whole way from the options to the result. Errors are said on stderr, and are in the result.
func runJail(ctx context.Context, o options, stderr io.Writer) report.Result {
	made, err := findPlan(ctx, o, stderr)
	if ctx.Err() != nil {
		return report.New(report.Outcome{Killed: report.CauseCancelled}, report.Asked{})
	}
	if err != nil {
		return notStarted(nil, err, stderr)
	}
	p := made.Plan
	for _, w := range p.Warnings {
		fmt.Fprintln(stderr, "jail: warning:", step.Quote(w))
	}
	streams, err := openStdio(o, p)
	if err != nil {
		return notStarted(p, err, stderr)
	}
	c, host, err := compileRun(o, made, streams)
	if err != nil {
		return notStarted(p, err, stderr)
	}
	outcome, err := supervise(ctx, c, streams)
	if err != nil {
		return notStarted(p, compile.CloneError(err), stderr)
	}
	if err := c.NotStarted(outcome); err != nil {
		return notStarted(p, err, stderr)
	}
	_, fileSize := p.Limit("file_size")
	r := report.New(outcome, report.Asked{Kills: c.Program.Kills, WallNs: p.Wall(), FileSize: fileSize})
	r.Profile, r.Plan = p.Profile, p.Fingerprint()
	r.Groups = append(r.Groups, host.Groups...)
	r.Notes = append(r.Notes, c.Notes...)
	r.Controls = append(r.Controls, controls(p)...)
	for _, err := range streams.finish(ctx, &r) {
		fmt.Fprintln(stderr, "jail:", err)
		r.Notes = append(r.Notes, err.Error())
	}
	return r
}

// controls are the limits of the plan. Each is met, or there would have been no run.
func controls(p *plan.Plan) []report.Control {
	var out []report.Control
	for _, e := range p.Entries {
		l, ok := e.Step.(step.Limit)
		if !ok {
			continue
		}
		by := "supervisor"
		if l.Name == report.CauseFileSize {
			by = "rlimit"
		}
		out = append(out, report.Control{Name: l.Name, Asked: l.Amount(), Met: true, By: by})
	}
	return out
}

// findPlan makes the plan, or reads it, and adds what the command line says.
func findPlan(ctx context.Context, o options, stderr io.Writer) (cache.Made, error) {
	made, err := basePlan(ctx, o, stderr)
	if err != nil || len(o.extra) == 0 {
		return made, err
	}
	p, problems := made.Plan.With(o.extra)
	if problems != nil {
		return made, step.Problems(problems)
	}
	made.Plan = p
	return made, nil
}

func basePlan(ctx context.Context, o options, stderr io.Writer) (cache.Made, error) {
	if o.planFile == "" {
		return o.source.findPlan(ctx, stderr)
	}
	return readPlan(o.planFile)
}

// readPlan reads a plan file. A FIFO or a device does not hang it.
func readPlan(name string) (made cache.Made, err error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return made, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return made, err
	}
	if !info.Mode().IsRegular() {
		return made, fmt.Errorf("%s is not a regular file", name)
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return made, err
	}
	p, err := plan.Decode(data)
	if err != nil {
		return made, fmt.Errorf("%s: %w", name, err)
	}
	return cache.Made{Plan: p, Inputs: []cache.Input{cache.File(name, info)}}, nil
}

func compileRun(o options, made cache.Made, streams *stdio) (*compile.Compiled, compile.Host, error) {
	dirs, err := protected(o.source, made.Inputs)
	if err != nil {
		return nil, compile.Host{}, err
	}
	wasRoot, err := dropRoot()
	if err != nil {
		return nil, compile.Host{}, err
	}
	host, err := compile.Facts()
	if err != nil {
		return nil, host, err
	}
	host.WasRoot = wasRoot
	c, err := compile.Compile(made.Plan, compile.Request{Argv: o.argv, Host: host, Stdin: streams.stdinFile, Protected: dirs})
	return c, host, err
}

// supervise starts the jail, and ends it when the context ends.
func supervise(ctx context.Context, c *compile.Compiled, streams *stdio) (report.Outcome, error) {
	j, err := launch.Start(c.Program, streams.fds)
	if err != nil {
		return report.Outcome{}, err
	}
	runtime.KeepAlive(streams) // of its files the launcher had the numbers only
	streams.start(j.Kill)
	stop := context.AfterFunc(ctx, func() { j.Kill(report.CauseCancelled) })
	defer stop()
	return j.Wait(), nil
}

// notStarted says why there was no program, on stderr and in a result.
func notStarted(p *plan.Plan, err error, stderr io.Writer) report.Result {
	r := report.New(report.Outcome{}, report.Asked{})
	if p != nil {
		r.Profile, r.Plan = p.Profile, p.Fingerprint()
	}
	r.Setup = &report.Setup{Text: err.Error()}
	var e *compile.Error
	if errors.As(err, &e) {
		r.Setup = e.Setup()
	}
	var told said
	if !errors.As(err, &told) {
		fmt.Fprintln(stderr, "jail:", err)
	}
	return r
}
