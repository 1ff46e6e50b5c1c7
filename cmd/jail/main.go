// Command jail runs a program in a sandbox. It is the lean front: it finds a plan, compiles and launches it. All that
// needs plugins, libseccomp or TOML is jail-plan's, a process of its own that is gone before the program starts.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/jail-sandbox/jail/core/report"
)

// A jail dies with the thread that made it: the main one lives as long as the process.
func init() { runtime.LockOSThread() }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

const usage = `usage:
  jail run   [-p PROFILE] [options] -- PROG ARGS…   run a program in a jail; jail run -h lists the options
  jail plan  [-p PROFILE] [--json | --ops]          show the jail that a profile makes; -o FILE writes it
  jail check PROFILE… | --plan FILE…                say everything that is wrong with profiles, or plan files
  jail plugins [NAME]                               the planners that are found
  jail profiles [NAME]                              the profiles that are found; one, with all that it extends
  jail cache [clear]                                the plans that are kept
  jail version
`

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	verbs := map[string]func([]string, io.Writer, io.Writer) int{
		"run": runVerb, "plan": planVerb, "cache": cacheVerb, "version": versionVerb,
		"check": handOver("check"), "plugins": handOver("plugins"), "profiles": handOver("profiles"),
		"help": helpVerb, "-h": helpVerb, "--help": helpVerb,
	}
	verb, ok := verbs[args[0]]
	if !ok {
		fmt.Fprintf(stderr, "jail: unknown verb %q\n%s", args[0], usage)
		return exitUsage
	}
	if err := refuseSetuid(); err != nil {
		return fail(stderr, report.ExitSetup, err)
	}
	return verb(args[1:], stdout, stderr)
}

// exitUsage is for a command line that cannot be understood, in every verb but run.
const exitUsage = 2

// refuseSetuid: jail has no use for a set-uid bit, and is not made to be safe with one.
func refuseSetuid() error {
	if os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
		return fmt.Errorf("jail must not be set-uid or set-gid")
	}
	return nil
}

func helpVerb(_ []string, stdout, _ io.Writer) int {
	fmt.Fprint(stdout, usage)
	return 0
}

func fail(stderr io.Writer, code int, err error) int {
	fmt.Fprintln(stderr, "jail:", err)
	return code
}
