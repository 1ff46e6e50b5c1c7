package host

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/jail-sandbox/jail/core/plugin/wire"
	"github.com/jail-sandbox/jail/core/step"
)

// A failure is what is known when a conversation ended badly.
type failure struct {
	found     Found
	err       error
	timeout   time.Duration
	cancelled error            // the caller's context
	late      bool             // the deadline passed
	exit      *os.ProcessState // it ended by itself; nil otherwise
	stderr    capped
}

// explain words the failure, the most telling fact first. It is nil without one.
func (f *failure) explain() error {
	var answer *wire.AnswerError
	switch text, hint := misspoke(f.err); {
	case f.err == nil:
		return nil
	case f.cancelled != nil:
		return blame(f.found, "not asked to the end: "+f.cancelled.Error(), "")
	case f.late:
		return blame(f.found, fmt.Sprintf("no answer in %s", f.timeout), f.lastWords())
	case text != "":
		return blame(f.found, text, hint)
	case errors.As(f.err, &answer):
		return blame(f.found, short(answer.Error()), "build it against this version of jail")
	case f.exit != nil:
		return blame(f.found, "it ended before it had answered: "+f.exit.String(), f.lastWords())
	}
	return blame(f.found, short(status.Convert(f.err).Message()), f.lastWords())
}

// misspoke recognises a planner that runs and does not speak as it should, or gives nothing.
func misspoke(err error) (text, hint string) {
	if err == nil {
		return "", ""
	}
	switch status.Code(err) {
	case codes.ResourceExhausted:
		return "its answer is larger than " + step.Bytes(wire.MaxMessage), "put large content in a file and bind that"
	case codes.Unimplemented:
		return "it does not serve jail.planner.v1.Planner", "serve.Planner does"
	}
	for _, m := range misspoken {
		rest, ok := strings.CutPrefix(err.Error(), m.goPlugin)
		if line, _, _ := strings.Cut(rest, "\n"); ok && line != "" {
			return fmt.Sprintf(m.text, short(line)), m.hint
		}
	}
	return "", ""
}

// misspoken are go-plugin's words, which have no types, and ours.
var misspoken = []struct{ goPlugin, text, hint string }{
	{"Unrecognized remote plugin message: ", `it does not speak the protocol, it printed "%s"`, "a planner's main is serve.Planner, and prints nothing before it"},
	{"incompatible core API version", "it speaks another version of go-plugin's protocol%.0s", "build it against this version of jail"},
	{"incompatible API version with plugin.", "it speaks another version of the protocol: %s", "build it against this version of jail"},
	{"unsupported plugin protocol", "it does not speak gRPC: %s", "serve.Planner does"},
}

// lastWords is a hint with what a planner wrote to its standard error, if it did.
func (f *failure) lastWords() string {
	if line := short(f.stderr.String()); line != "" {
		return `it wrote "` + line + `"`
	}
	return ""
}

// short is the first line that says something, as much of it as a message takes, made safe to show (G-18).
func short(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return step.Quote(cut(line, 400))
}

// cut keeps the first bytes of what is too long.
func cut(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// told are a planner's own problems and warnings, each as long as a person reads (G-18). They are quoted where they are shown.
func told(ps []step.Problem) []step.Problem {
	for i := range ps {
		p := &ps[i]
		p.Text, p.Hint, p.Key = cut(p.Text, 1000), cut(p.Hint, 1000), p.Key[:min(len(p.Key), profileDepth)]
	}
	return ps
}

// profileDepth is how deep a profile's keys go at most.
const profileDepth = 32

// capped keeps the first bytes that are written to it.
type capped struct {
	mu   sync.Mutex
	kept []byte
}

const mostKept = 4096

func (c *capped) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = append(c.kept, b[:min(len(b), mostKept-len(c.kept))]...)
	return len(b), nil
}

func (c *capped) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.kept)
}
