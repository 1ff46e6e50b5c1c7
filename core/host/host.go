// Package host finds planners, checks them, asks them and stops them.
//
//	h := host.New(host.Config{Dirs: []string{"/usr/libexec/jail"}})
//	answers, problems := h.Plan(ctx, []host.Request{{Name: "netns", Section: section}})
//
// A planner is an executable jail-plugin-NAME in one of the fixed directories. It runs as the caller, so it is trusted
// code; it is not trusted to be right. It gets no input but its section (no environment, standard input, descriptors,
// terminal), a deadline and a message cap; its answer is vetted; and its process is gone when Plan returns.
package host

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jail-sandbox/jail/core/plugin"
	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
	"github.com/jail-sandbox/jail/core/trust"
)

// Config says where planners are and how long they may take.
type Config struct {
	Dirs    []string      // absolute; one that does not exist is passed over. They have no order: a name in two is an error
	Timeout time.Duration // for one planner's start and answers together; 0 means DefaultTimeout
	TempDir string        // where the private directory for sockets is made; empty means $TMPDIR, or /tmp where that is too long
}

// DefaultTimeout is ample even for a machine that is busy: a planner starts and answers in some 20 ms.
const DefaultTimeout = 10 * time.Second

// Host asks planners. It holds nothing between calls.
type Host struct{ config Config }

// New makes a Host. It looks at nothing yet.
func New(c Config) *Host {
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.TempDir == "" {
		c.TempDir = os.TempDir()
		if len(c.TempDir) > maxTempDir {
			c.TempDir = "/tmp"
		}
	}
	return &Host{c}
}

// Request is a question to one planner.
type Request struct {
	Name    string
	Section json.RawMessage // merged, as JSON; empty means an empty section
}

// Answer is what one planner said.
type Answer struct {
	Found
	Info         plugin.Info
	Contribution plugin.Contribution // vetted; keys of its problems are relative to the section
}

// Plan asks the planners side by side. Answers are in the order of requests, without those of the planners that
// failed; keys of problems, where they have any, are those of the profile. No planner's process is left.
func (h *Host) Plan(ctx context.Context, requests []Request) ([]Answer, []step.Problem) {
	files, problems := scan(h.config.Dirs)
	if problems != nil {
		return nil, problems
	}
	return h.askAll(ctx, files, requests, planAndDescribe)
}

// Describe asks every planner in the directories who it is.
func (h *Host) Describe(ctx context.Context) ([]Answer, []step.Problem) {
	files, problems := scan(h.config.Dirs)
	if problems != nil {
		return nil, problems
	}
	var requests []Request
	for _, name := range files.names() {
		requests = append(requests, Request{Name: name})
	}
	return h.askAll(ctx, files, requests, describe)
}

func (h *Host) askAll(ctx context.Context, files files, requests []Request, ask question) ([]Answer, []step.Problem) {
	dir, remove, err := socketDir(h.config.TempDir)
	if err != nil {
		return nil, problemsOf(err)
	}
	defer remove()
	if err := keepDescriptors(); err != nil {
		return nil, problemsOf(err)
	}

	answers, errs := make([]Answer, len(requests)), make([]error, len(requests))
	var wg sync.WaitGroup
	for i, r := range requests {
		wg.Go(func() {
			if len(r.Section) == 0 {
				r.Section = json.RawMessage("{}")
			}
			answers[i], errs[i] = h.askOne(ctx, files, r, dir, ask)
		})
	}
	wg.Wait()

	var good []Answer
	var problems []step.Problem
	for i, err := range errs {
		if err != nil {
			problems = append(problems, problemsOf(err)...)
			continue
		}
		good = append(good, answers[i])
	}
	return good, problems
}

func (h *Host) askOne(ctx context.Context, files files, r Request, dir string, ask question) (Answer, error) {
	path, err := files.pick(r.Name, h.config.Dirs)
	if err != nil {
		return Answer{}, err
	}
	exe, err := open(r.Name, path, trust.Callers())
	if err != nil {
		return Answer{}, err
	}
	defer exe.file.Close()
	a := Answer{Found: exe.Found}
	if err := h.talk(ctx, exe, dir, func(c conversation) error { return ask(c, r, &a) }); err != nil {
		return Answer{}, err
	}
	if a.Info.Name != r.Name {
		return Answer{}, blame(a.Found, `it calls itself "`+short(a.Info.Name)+`"`, "its file must be called jail-plugin-NAME")
	}
	a.Contribution.Problems, a.Contribution.Warnings = told(a.Contribution.Problems), told(a.Contribution.Warnings)
	return a, vet(a)
}

// vet refuses an answer that no right planner gives.
func vet(a Answer) error {
	var ps step.Problems
	errs := a.Contribution.Vet(a.Name)
	for i, err := range errs {
		if i == mostBlamed {
			ps = append(ps, blame(a.Found, fmt.Sprintf("and %d times more", len(errs)-i), ""))
			break
		}
		ps = append(ps, blame(a.Found, short(err.Error()), "the planner is wrong, not the profile"))
	}
	if ps == nil {
		return nil
	}
	return ps
}

// mostBlamed is how many faults of one planner are told.
const mostBlamed = 10

// A question is what is asked in a conversation.
type question func(conversation, Request, *Answer) error

func describe(c conversation, _ Request, a *Answer) (err error) {
	a.Info, err = c.client.Describe(c.ctx)
	return err
}

func planAndDescribe(c conversation, r Request, a *Answer) (err error) {
	if err := describe(c, r, a); err != nil {
		return err
	}
	a.Contribution, err = c.client.Plan(c.ctx, r.Section)
	return err
}

// keepDescriptors keeps what this process inherited from being inherited further. What Go opens is close-on-exec
// already; what the caller left open is not.
func keepDescriptors() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return step.Problem{Text: err.Error(), Hint: "planners need /proc to be started"}
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	return nil
}

// missing is the problem with a section that no planner answers for.
func missing(name string, known, dirs []string) error {
	p := step.Problem{Key: []string{name}, Text: "no planner for this section", Hint: "jail-plugin-" + name + " is not in " + strings.Join(dirs, ", ")}
	if near := section.Nearest(name, known); near != "" {
		p.Hint = fmt.Sprintf("did you mean %q?", near)
	}
	return p
}

// problemsOf takes an error of this package apart.
func problemsOf(err error) []step.Problem {
	switch err := err.(type) {
	case step.Problems:
		return slices.Clone(err)
	case step.Problem:
		return []step.Problem{err}
	}
	return []step.Problem{{Text: err.Error()}}
}
