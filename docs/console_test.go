package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// prepared is what a document's reader has done before, in fences that are not run.
var prepared = map[string]func(t *testing.T, home string){
	"writing-a-plugin.md": func(t *testing.T, home string) {
		dir := filepath.Join(home, ".config/jail/plugins")
		check(t, os.MkdirAll(dir, 0o755))
		check(t, goBuild("CGO_ENABLED=0", "-o", filepath.Join(dir, "jail-plugin-toolchain"),
			"../examples/planner-toolchain/jail-plugin-toolchain"))
	},
}

// Every session of every document says what it does: the commands are run, in order, in one home for each document.
func TestSessions(t *testing.T) {
	for _, document := range documents(t) {
		sessions := fences(t, document, "console")
		t.Run(filepath.Base(document), func(t *testing.T) {
			t.Parallel()
			home := home(t)
			if prepare := prepared[filepath.Base(document)]; prepare != nil {
				prepare(t, home)
				giveAway(t, home)
			}
			for _, s := range sessions {
				for _, c := range s.commands(t) {
					c.run(t, document, home)
				}
			}
		})
	}
}

// A command is one of a session, with the output that is shown.
type command struct {
	text, want string
	line       int
}

func (f fence) commands(t *testing.T) (out []command) {
	for i, line := range strings.Split(strings.TrimSuffix(f.text, "\n"), "\n") {
		if text, ok := strings.CutPrefix(line, "$ "); ok {
			out = append(out, command{text: text, line: f.line + i})
			continue
		}
		if len(out) == 0 {
			t.Fatalf("line %d: output before a command", f.line+i)
		}
		last := &out[len(out)-1]
		if text, ok := strings.CutPrefix(line+" ", "> "); ok && last.want == "" {
			last.text += "\n" + strings.TrimSuffix(text, " ")
			continue
		}
		last.want += line + "\n"
	}
	return out
}

func (c command) run(t *testing.T, document, home string) {
	t.Helper()
	out, _ := outside(t, home, "sh", "-c", "exec 2>&1\n"+c.text).CombinedOutput() // of the status the session tells, if it matters
	if !pattern(c.want).Match(out) {
		t.Errorf("%s:%d: $ %s\nprints:\n%swhich is not:\n%s", document, c.line, c.text, out, c.want)
	}
}

// pattern is the output that a session shows, as an expression.
func pattern(want string) *regexp.Regexp {
	var b strings.Builder
	for line := range strings.Lines(want) {
		if line == "…\n" {
			b.WriteString(`(?s:.*\n)?`)
			continue
		}
		b.WriteString(strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*"))
	}
	return regexp.MustCompile("^" + b.String() + "$")
}

// Every profile that is shown is a good one.
func TestProfilesInDocuments(t *testing.T) {
	for _, document := range documents(t) {
		base := filepath.Base(document)
		for _, f := range fences(t, document, "toml") {
			t.Run(fmt.Sprintf("%s:%d", base, f.line), func(t *testing.T) {
				t.Parallel()
				home := home(t)
				if prepare := prepared[base]; prepare != nil {
					prepare(t, home)
				}
				text := f.text
				if !strings.Contains(text, "format") {
					text = "format = \"jail.profile/1\"\nextends = [\"default\"]\n" + text
				}
				check(t, os.WriteFile(filepath.Join(home, "project/p.toml"), []byte(text), 0o644))
				giveAway(t, home)
				if out, err := outside(t, home, "jail", "check", "./p.toml").CombinedOutput(); err != nil {
					t.Errorf("%v\n%s\n%s", err, out, text)
				}
			})
		}
	}
}
