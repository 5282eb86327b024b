package alarms_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"releve/rules/alarm"
)

// Whatever a room tells has its place in the rule book, as an alarm or as news: nobody is woken, or left
// to sleep, because a sentence was forgotten there.
func TestWhatRoomsTellIsInTheRuleBook(t *testing.T) {
	found := 0
	for _, floor := range []string{"adapters", "app", "doors", "server"} {
		err := filepath.WalkDir(filepath.Join("..", "..", floor), func(path string, e fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, code := range told(file) {
				found++
				if !alarm.Knows(code) {
					t.Errorf("%s tells %s, which the rule book of alarms does not know", path, code)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 50 {
		t.Errorf("only %d sentences were found: the search is broken", found)
	}
}

// told are the codes of the sentences that a file makes where it tells them.
func told(file *ast.File) (codes []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		call, is := n.(*ast.CallExpr)
		if !is || len(call.Args) != 1 || !slices.Contains([]string{"explain", "tell"}, strings.ToLower(lastName(call.Fun))) {
			return true
		}
		if made, is := call.Args[0].(*ast.CallExpr); is && lastName(made.Fun) == "Say" {
			if code, is := made.Args[0].(*ast.BasicLit); is {
				text, _ := strconv.Unquote(code.Value)
				codes = append(codes, text)
			}
		}
		return true
	})
	return codes
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
