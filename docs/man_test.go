package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// manPages are the manual pages, by path from here.
func manPages(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("../man/*.[1-9]")
	check(t, err)
	if len(pages) < 2 {
		t.Fatalf("only %q", pages)
	}
	return pages
}

// groff formats a page as man(1) does, with all its warnings.
func groff(t *testing.T, page string) (text, warnings string) {
	t.Helper()
	cmd := exec.Command("groff", "-man", "-Tutf8", "-ww", "-rLL=100n", page)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("groff, of Debian's package groff-base: %v\n%s", err, errs.String())
	}
	styled := regexp.MustCompile("\x1b\\[[0-9;]*m|.\b") // bold and underlined
	return styled.ReplaceAllString(out.String(), ""), errs.String()
}

func TestManPagesAreWellFormed(t *testing.T) {
	for _, page := range manPages(t) {
		source := read(t, page)
		for i, line := range strings.Split(source, "\n") {
			if strings.TrimRight(line, " ") != line || regexp.MustCompile(`[^\x20-\x7e]`).MatchString(line) {
				t.Errorf("%s:%d: blanks at the end, or not ASCII: %q", page, i+1, line)
			}
		}
		text, warnings := groff(t, page)
		if warnings != "" {
			t.Errorf("%s: groff warns:\n%s", page, warnings)
		}
		for _, heading := range []string{"NAME", "DESCRIPTION", "SEE ALSO"} {
			if !strings.Contains(text, "\n"+heading+"\n") {
				t.Errorf("%s has no %s", page, heading)
			}
		}
	}
}

var (
	optionOfHelp = regexp.MustCompile(`(?m)^  -([\w-]+)`)
	verbOfHelp   = regexp.MustCompile(`(?m)^  jail (\w+)`)
	optionOfPage = regexp.MustCompile(`(?m)^ +--?([a-z-]+)\b`)
)

// jail(1) has every option and every verb, and no option that is not there.
func TestManPageHasEveryOption(t *testing.T) {
	page, _ := groff(t, "../man/jail.1")
	inPage := map[string]bool{}
	for _, m := range optionOfPage.FindAllStringSubmatch(page, -1) {
		inPage[m[1]] = true
	}
	home := home(t)
	help := func(args ...string) string {
		out, err := outside(t, home, append([]string{"jail"}, args...)...).Output()
		check(t, err)
		return string(out)
	}
	inHelp := map[string]bool{}
	for _, verb := range []string{"run", "plan", "cache"} {
		for _, m := range optionOfHelp.FindAllStringSubmatch(help(verb, "-h"), -1) {
			inHelp[m[1]] = true
			if !inPage[m[1]] {
				t.Errorf("jail(1) has no option -%s of jail %s", m[1], verb)
			}
		}
	}
	for name := range inPage {
		if !inHelp[name] {
			t.Errorf("jail(1) has an option -%s that no verb has", name)
		}
	}
	for _, m := range verbOfHelp.FindAllStringSubmatch(help("help"), -1) {
		if !regexp.MustCompile(`(?m)^ +` + m[1] + `\b`).MatchString(page) {
			t.Errorf("jail(1) has no verb %s", m[1])
		}
	}
}

var markedInPage = regexp.MustCompile(`(?s)\.\\" from code: (\w+)\n(.*?)\.\\" end\n`)

// The lists of keys in manual pages are those of the documents; go test ./docs -update writes them.
func TestGeneratedInManPages(t *testing.T) {
	for _, page := range manPages(t) {
		old := read(t, page)
		now := markedInPage.ReplaceAllStringFunc(old, func(part string) string {
			name := markedInPage.FindStringSubmatch(part)[1]
			make, ok := generated[name]
			if !ok {
				t.Errorf("%s: nothing makes %s", page, name)
				return part
			}
			return `.\" from code: ` + name + "\n" + manList(make(t)) + `.\" end` + "\n"
		})
		switch {
		case old == now:
		case *update:
			check(t, os.WriteFile(page, []byte(now), 0o644))
		default:
			t.Errorf("%s is behind the code: go test ./docs -update writes it anew\n%s", page, difference(old, now))
		}
	}
}

// manList is a table of Markdown as a tagged list of man(7): the first cell is the tag, with the type where there is one.
func manList(table string) string {
	var b strings.Builder
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	heads := cells(lines[0])
	for _, line := range lines[2:] {
		row := cells(line)
		b.WriteString(".TP\n.B " + row[0] + "\n")
		for i, cell := range row[1:] {
			switch heads[i+1] {
			case "type":
				cell = "(" + cell + ")"
			case "enforced":
				if cell = strings.TrimPrefix(cell, "yes"); cell != "" {
					cell = "[" + cell + "]"
				}
			case "what it refuses":
				cell = "Refuses: " + cell
			}
			if cell != "" {
				b.WriteString(cell + "\n")
			}
		}
	}
	return b.String()
}

// cells are those of a line of a table, as text of man(7).
func cells(line string) []string {
	escape := strings.NewReplacer("`", "", `\*`, "*", `\|`, "|", `\`, `\e`, "-", `\-`)
	out := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "| "), " |"), " | ")
	for i, c := range out {
		out[i] = escape.Replace(c)
		if strings.HasPrefix(out[i], ".") || strings.HasPrefix(out[i], "'") {
			out[i] = `\&` + out[i]
		}
	}
	return out
}
