// Package deptest holds the module to the import rules of ARCHITECTURE.md: who may use what, who must not, and why.
package deptest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/jail-sandbox/jail/"

const (
	goPlugin   = "github.com/hashicorp/go-plugin"
	hclog      = "github.com/hashicorp/go-hclog"
	grpc       = "google.golang.org/grpc"
	protobuf   = "google.golang.org/protobuf"
	toml       = "github.com/BurntSushi/toml"
	libseccomp = "github.com/seccomp/libseccomp-golang"
	txtar      = "github.com/rogpeppe/go-internal/txtar"
	unix       = "golang.org/x/sys/unix"
	cgo        = "runtime/cgo"
)

// may lists what each package may import by itself, beside the standard library. Names are relative to the module; a
// name from elsewhere stands for the packages below it, too. Every package of core and plugins needs a row.
var may = []struct {
	pkg  string // as for path.Match
	uses []string
}{
	{"core/step", nil},
	{"core/section", []string{"core/step"}},
	{"core/trust", []string{"core/step"}},
	{"core/report", []string{"core/step"}},
	{"core/plugin", []string{"core/step", "core/section"}},
	{"core/plugin/wire", []string{"core/plugin", goPlugin, grpc, protobuf}},
	{"core/plugin/serve", []string{"core/plugin", "core/plugin/wire", goPlugin, hclog, grpc}},
	{"core/plugin/plugintest", []string{"core/plugin", "core/step", toml, txtar}},
	{"core/profile", []string{"core/step", "core/section", toml}},
	{"core/host", []string{"core/plugin", "core/plugin/wire", "core/section", "core/step", "core/trust", goPlugin, hclog, grpc, unix}},
	{"core/plan", []string{"core/step"}},
	{"core/plan/cache", []string{"core/plan", "core/step", unix}},
	{"core/seccomp", []string{libseccomp}},
	{"core/compile", []string{"core/plan", "core/step", "core/launch", "core/report", unix}},
	{"core/cgroup", []string{"core/plan", "core/step", "core/launch", "core/report", unix}},
	{"core/launch", []string{"core/report", unix}},
	{"core", []string{"core/plan", "core/compile", "core/report", unix}},
	{"plugins/*", []string{"core/plugin", "core/step", "core/section"}},
	{"plugins/*/jail-plugin-*", []string{"core/plugin/serve", "plugins/*"}},
	{"cmd/jail", []string{"core/plan", "core/plan/cache", "core/compile", "core/launch", "core/cgroup", "core/report",
		"core/section", "core/step", "core/trust", unix}},
}

const (
	lean      = "linking it costs every jail run more time than the jail itself"
	afterFork = "the code between clone and execve needs no runtime, and is to be read as a whole"
	embedded  = "those who embed jail get none of it into their process"
	pureCore  = "a plan is a function of its inputs, the same on every host"
	planner   = "a planner describes; it has no reason to look at the host"
)

// mustNot lists what a package must not use, and why; deep: not through other packages either.
var mustNot = []struct {
	pkg  string // as for path.Match
	uses string
	deep bool
	why  string
}{
	{"cmd/jail", goPlugin, true, lean},
	{"cmd/jail", grpc, true, lean},
	{"cmd/jail", cgo, true, lean},
	{"cmd/jail", toml, true, lean},
	{"cmd/jail", libseccomp, true, lean},
	{"cmd/jail", "net", true, lean},

	{"core/launch", goPlugin, true, afterFork},
	{"core/launch", grpc, true, afterFork},
	{"core/launch", cgo, true, afterFork},
	{"core/launch", toml, true, afterFork},
	{"core/launch", "net", true, afterFork},
	{"core/launch", "os/exec", true, afterFork},

	{"core/compile", goPlugin, true, lean},
	{"core/compile", cgo, true, lean},
	{"core/cgroup", goPlugin, true, lean},
	{"core/cgroup", cgo, true, lean},

	{"core", goPlugin, true, embedded},
	{"core", grpc, true, embedded},
	{"core", cgo, true, embedded},

	{"core/plan", goPlugin, true, pureCore},
	{"core/plan", unix, true, pureCore},
	{"core/plan", toml, true, pureCore},
	{"core/plan", "os", false, pureCore},
	{"core/step", "os", false, pureCore},
	{"core/section", "os", false, pureCore},

	{"core/profile", goPlugin, true, "a profile is read without any planner"},
	{"core/profile", unix, true, "files are found by the caller, and never by the profile"},
	{"core/profile", "os", false, "files are found by the caller, and never by the profile"},
	{"core/host", module + "core/plan", true, "the host asks planners, one by one; what they say is merged elsewhere"},
	{"core/host", module + "core/launch", true, "no planner is alive when a program is launched"},
	{"cmd/jail-plan", module + "core/launch", true, "it makes plans and launches nothing: it is gone before the program starts"},

	{"plugins/*", "os", false, planner},
	{"plugins/*", "net", true, planner},
	{"plugins/*", "syscall", false, planner},
	{"plugins/*", unix, true, planner},
}

// A graph has the imports of each package that the module needs.
type graph map[string][]string

func load(t *testing.T) graph {
	t.Helper()
	dependOnSource(t)
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", module+"...")
	cmd.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=1") // with cgo, which must be absent even where it could be used
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	g := graph{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return g
		case err != nil:
			t.Fatal(err)
		}
		g[p.ImportPath] = p.Imports
	}
}

// dependOnSource looks at the folders that the go command will read in a process of its own: or "go test" would take
// them for no input of ours, and give the result of an older source from its cache.
func dependOnSource(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"../../cmd", "../../core", "../../plugins"} {
		err := filepath.WalkDir(dir, func(string, fs.DirEntry, error) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
}

// ours are the module's packages that match a pattern.
func (g graph) ours(pattern string) []string {
	var out []string
	for _, pkg := range slices.Sorted(maps.Keys(g)) {
		if ok, err := path.Match(module+pattern, pkg); ok && err == nil {
			out = append(out, pkg)
		}
	}
	return out
}

// chain is the shortest way of imports from a package to one that is unwanted, or nil.
func (g graph) chain(from, unwanted string, deep bool) []string {
	seen := map[string]bool{from: true}
	for ways := [][]string{{from}}; len(ways) > 0; ways = ways[1:] {
		way := ways[0]
		for _, next := range g[way[len(way)-1]] {
			longer := append(slices.Clone(way), next)
			if below(next, unwanted) {
				return longer
			}
			if deep && !seen[next] {
				seen[next] = true
				ways = append(ways, longer)
			}
		}
	}
	return nil
}

// below: pkg is name, or, but for the standard library and for our own packages, in a folder of it.
func below(pkg, name string) bool {
	foreign := strings.Contains(name, ".") && !strings.HasPrefix(name, module)
	return pkg == name || foreign && strings.HasPrefix(pkg, name+"/")
}

// allowed: a package may import another by a row's list.
func allowed(imported string, uses []string) bool {
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(uses, func(name string) bool {
		ok, _ := path.Match(module+name, imported)
		return ok || below(imported, name)
	})
}

// violations are all that breaks a rule, in words.
func (g graph) violations() []string {
	var out []string
	for _, row := range may {
		for _, pkg := range g.ours(row.pkg) {
			for _, imported := range g[pkg] {
				if !allowed(imported, row.uses) {
					out = append(out, fmt.Sprintf("%s imports %s: it is not in its row of the table", pkg, imported))
				}
			}
		}
	}
	for _, row := range mustNot {
		for _, pkg := range g.ours(row.pkg) {
			if way := g.chain(pkg, row.uses, row.deep); way != nil {
				out = append(out, fmt.Sprintf("%s: %s", strings.Join(way, " -> "), row.why))
			}
		}
	}
	return out
}

func TestImports(t *testing.T) {
	for _, v := range load(t).violations() {
		t.Error(v)
	}
}

// A new package gets its row before it gets its imports.
func TestEveryPackageHasARow(t *testing.T) {
	g := load(t)
	hasRow := map[string]bool{}
	for _, row := range may {
		for _, pkg := range g.ours(row.pkg) {
			hasRow[pkg] = true
		}
	}
	for pkg := range g {
		name, ours := strings.CutPrefix(pkg, module)
		ruled := strings.HasPrefix(name, "core") || strings.HasPrefix(name, "plugins/")
		if ours && ruled && !hasRow[pkg] {
			t.Errorf("%s has no row in the table", pkg)
		}
	}
}

// Each rule is broken once, on purpose, and has to notice. A name that nothing has would notice nothing.
func TestRulesCanFail(t *testing.T) {
	real := load(t)
	for _, row := range may {
		for _, pkg := range real.ours(row.pkg) {
			plant(t, real, pkg, "example.com/foreign", pkg+" imports example.com/foreign")
		}
	}
	for _, row := range mustNot {
		if real[row.uses] == nil {
			t.Errorf("%s must not use %s, which does not exist", row.pkg, row.uses)
		}
		for _, pkg := range real.ours(row.pkg) {
			plant(t, real, pkg, row.uses, pkg+" -> "+row.uses+": "+row.why)
			if row.deep {
				plant(t, real, pkg, "between", pkg+" -> between -> "+row.uses+": "+row.why, row.uses)
			}
		}
	}
}

// plant adds an import to a package, and imports to that, and wants a violation.
func plant(t *testing.T, real graph, pkg, imported, want string, further ...string) {
	t.Helper()
	g := maps.Clone(real)
	g[pkg] = append([]string{imported}, g[pkg]...)
	if len(further) > 0 {
		g[imported] = further
	}
	if !slices.ContainsFunc(g.violations(), func(v string) bool { return strings.HasPrefix(v, want) }) {
		t.Errorf("no rule notices: %s", want)
	}
}
