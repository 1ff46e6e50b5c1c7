package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/jail-sandbox/jail/core/plan/cache"
	"github.com/jail-sandbox/jail/core/step"
)

// version is set when a release is built.
var version = "devel"

// versionVerb prints the version and the digest of the running binary, which is the build's only sure name.
func versionVerb(_ []string, stdout, stderr io.Writer) int {
	id, err := buildID()
	if err != nil {
		return fail(stderr, 1, err)
	}
	fmt.Fprintf(stdout, "jail %s, build %s, %s %s/%s\n", version, id, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return 0
}

func buildID() (string, error) {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))[:16], nil
}

// planOptions are those of jail plan.
type planOptions struct {
	options
	json, ops bool
	out       string
}

func parsePlan(args []string, stdout io.Writer) (planOptions, error) {
	var o planOptions
	f := newFlags("plan", "[-- PROG ARGS…]")
	o.source.flags(f)
	f.StringVar(&o.planFile, "plan", "", "`FILE` a plan file, in place of a profile")
	f.BoolVar(&o.json, "json", false, "the plan file's form, for machines")
	f.BoolVar(&o.ops, "ops", false, "the system calls that the plan becomes on this host; the program may follow")
	f.StringVar(&o.out, "o", "", "`FILE` write the plan there, in the form of --json")
	f.Func("arch", "`GOARCH,…` architectures to make the filter for (default: this one)", func(list string) error {
		o.arches = strings.Split(list, ",")
		return nil
	})
	if err := parse(f, args, stdout); err != nil {
		return o, err
	}
	o.argv = f.Args()
	if o.ops && (o.json || o.out != "") {
		return o, errors.New("plan: --ops is for one host, it goes with neither --json nor -o")
	}
	return o, nil
}

// planVerb is jail plan: for people, as JSON, or as the system calls that it becomes here.
func planVerb(args []string, stdout, stderr io.Writer) int {
	o, err := parsePlan(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return fail(stderr, exitUsage, err)
	}
	made, err := basePlan(context.Background(), o.options, stderr)
	var told said
	if errors.As(err, &told) {
		return 1
	}
	if err == nil {
		err = show(made, o, stdout)
	}
	if err != nil {
		return fail(stderr, 1, err)
	}
	return 0
}

// show writes the plan in the form that is asked for.
func show(made cache.Made, o planOptions, stdout io.Writer) error {
	text := made.Plan.Text()
	if o.json || o.out != "" {
		data, err := made.Plan.Encode()
		if err != nil {
			return err
		}
		text = string(data)
	}
	if o.out != "" {
		return os.WriteFile(o.out, []byte(text), 0o644)
	}
	if o.ops {
		if len(o.argv) == 0 {
			o.argv = []string{"PROG"}
		}
		c, _, err := compileRun(o.options, made, &stdio{})
		if err != nil {
			return err
		}
		text = c.Ops()
	}
	_, err := io.WriteString(stdout, text)
	return err
}

// cacheVerb lists the cached plans, or clears them.
func cacheVerb(args []string, stdout, stderr io.Writer) int {
	var s source
	f := newFlags("cache", "[clear]")
	s.cacheFlag(f)
	err := parse(f, args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return fail(stderr, exitUsage, err)
	case f.NArg() > 1 || f.NArg() == 1 && f.Arg(0) != "clear":
		return fail(stderr, exitUsage, errors.New("cache: nothing, or clear, may follow"))
	}
	c, _, err := s.cache()
	if err != nil {
		return fail(stderr, 1, err)
	}
	defer c.Close()
	if f.NArg() == 1 {
		n, err := c.Clear()
		if err != nil {
			return fail(stderr, 1, err)
		}
		fmt.Fprintf(stdout, "%d plans removed\n", n)
		return 0
	}
	list, err := c.List()
	if err != nil {
		return fail(stderr, 1, err)
	}
	for _, e := range list {
		state := "stale"
		if e.Fresh {
			state = "fresh"
		}
		fmt.Fprintf(stdout, "%s  %s  %6d  %s  %s\n", e.Name, e.Made.Format(time.DateTime), e.Size, state, step.Quote(e.Profile))
	}
	return 0
}
