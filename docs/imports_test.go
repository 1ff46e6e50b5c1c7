package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// importRules are the rows of a table of internal/deptest: each cell is a string, or a list of them with commas.
func importRules(t *testing.T, name string) [][]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../internal/deptest/deptest_test.go", nil, 0)
	check(t, err)
	constants := map[string]string{"false": "directly", "true": "directly or not"}
	var rows [][]string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		list, isTable := spec.Values[0].(*ast.CompositeLit)
		if !isTable {
			constants[spec.Names[0].Name] = text(spec.Values[0], constants)
		}
		if isTable && spec.Names[0].Name == name {
			for _, row := range list.Elts {
				var cells []string
				for _, cell := range row.(*ast.CompositeLit).Elts {
					cells = append(cells, text(cell, constants))
				}
				rows = append(rows, cells)
			}
		}
		return true
	})
	if len(rows) < 10 {
		t.Fatalf("the table %s of internal/deptest has %d rows: has it another form?", name, len(rows))
	}
	return rows
}

// text is what an expression of strings says.
func text(e ast.Expr, constants map[string]string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return strings.TrimSuffix(s, "\n")
	case *ast.Ident:
		return constants[e.Name]
	case *ast.BinaryExpr:
		return strings.TrimPrefix(text(e.X, constants)+text(e.Y, constants), constants["module"])
	case *ast.CompositeLit:
		var words []string
		for _, x := range e.Elts {
			words = append(words, text(x, constants))
		}
		return strings.Join(words, ", ")
	}
	return ""
}

func may(t *testing.T) string {
	out := newTable("package", "may use, beside the standard library")
	for _, r := range importRules(t, "may") {
		out.row("`"+r[0]+"`", r[1])
	}
	return out.String()
}

// mustNot has the rows of one package and one reason together.
func mustNot(t *testing.T) string {
	out := newTable("package", "must not use", "since")
	var pkg, uses, why string
	flush := func() {
		if pkg != "" {
			out.row("`"+pkg+"`", uses, why)
		}
	}
	for _, r := range importRules(t, "mustNot") {
		if r[0] == pkg && r[3] == why {
			uses += ", " + r[1]
			continue
		}
		flush()
		pkg, uses, why = r[0], r[1], r[3]
	}
	flush()
	return out.String()
}
