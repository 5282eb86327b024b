package releve_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"releve"
)

func TestSeveritiesHaveAnOrder(t *testing.T) {
	all := []releve.Severity{releve.Cleared, releve.Info, releve.Warning, releve.Major, releve.Critical}
	for i, s := range all {
		for j, least := range all {
			if s.AtLeast(least) != (i >= j) {
				t.Errorf("%s is at least %s: %t", s, least, s.AtLeast(least))
			}
		}
		if s.Clears() != (i == 0) {
			t.Errorf("%s says that something is over: %t", s, s.Clears())
		}
	}
	if releve.Severity("of a later version").AtLeast(releve.Cleared) {
		t.Error("what is not known has a place in the order")
	}
}

// Go takes a text for a severity where one is meant; a wrong one would have neither words
// nor a place in the order.
func TestNobodyWritesASeverityAsText(t *testing.T) {
	read := 0
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, what := range spelled(file) {
				t.Errorf("%s/%s: %s", p.ImportPath, name, what)
			}
			read++
		}
	}
	if read < 200 {
		t.Errorf("only %d files were read", read)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nvar e = Event{Severity: \"info\"}\nfunc f() { h.explain(\"grave\", what); k.Tell(\"\", what); Tell(Info, what) }", 0)
	if err != nil {
		t.Fatal(err)
	}
	if found := spelled(file); !slices.Equal(found, []string{"info", "grave", ""}) {
		t.Errorf("of severities written as text, found %q", found)
	}
}

// spelled are the texts that a file has in the place of a severity.
func spelled(file *ast.File) (found []string) {
	note := func(e ast.Expr) {
		if text, ok := e.(*ast.BasicLit); ok && text.Kind == token.STRING {
			value, _ := strconv.Unquote(text.Value)
			found = append(found, value)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if name := strings.ToLower(lastName(n.Fun)); (name == "explain" || name == "tell") && len(n.Args) == 2 {
				note(n.Args[0])
			}
		case *ast.KeyValueExpr:
			if lastName(n.Key) == "Severity" {
				note(n.Value)
			}
		}
		return true
	})
	return found
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
