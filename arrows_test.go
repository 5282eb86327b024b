package releve_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"releve/rules/alarm"
)

// arrows are what the rooms of each floor may import beside the words, which stand at the
// root, and rooms of their own floor: floors, or single rooms of one. A floor that is not
// here may import everything.
var arrows = map[string][]string{
	"doors":    {},
	"rules":    {},
	"adapters": {"doors", "rules"},
	"server":   {"rules", "screen/view"},
	"screen":   {"doors"},
	"config":   {"doors", "rules"},
	"app":      {"doors", "rules", "adapters", "server", "screen", "config"},
	"cli":      {"doors", "rules", "adapters", "server", "screen", "config", "app", "proof/demo"}, // the demo is a command
	"cmd":      {"cli"},
}

// apart are the floors whose rooms do not import each other.
var apart = []string{"adapters"}

// goes says whether one room may import another.
func goes(from, to string) bool {
	floor, room := split(from)
	other, otherRoom := split(to)
	all, known := arrows[floor]
	switch {
	case to == "":
		return true
	case from == "":
		return false
	case floor == other:
		return !slices.Contains(apart, floor) || room == otherRoom
	case !known:
		return floor == "proof"
	}
	return slices.Contains(all, other) || slices.Contains(all, other+"/"+otherRoom)
}

// split gives the floor of a package and its room there.
func split(path string) (floor, room string) {
	floor, rest, _ := strings.Cut(path, "/")
	room, _, _ = strings.Cut(rest, "/")
	return floor, room
}

func TestTheArrowsBetweenTheFloors(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if to, ours := inside(imported); ours && !goes(p.path(), to) {
				t.Errorf("%s imports %s: see the arrows in ARCHITECTURE.md", p.ImportPath, imported)
			}
		}
	}
	for _, broken := range [][2]string{
		{"adapters/store", "adapters/postgres"}, {"adapters/peer", "screen/view"}, {"rules/takeover", "server/agent"},
		{"rules/takeover", "doors/porter"}, {"server/agent", "adapters/peer"}, {"server/agent", "screen/console"},
		{"", "rules/takeover"}, {"screen/view", "server/agent"}, {"app", "cli"}, {"config", "screen/words"}, {"app", "proof/sim"}, {"cli", "proof/sim"},
		{"somewhere/new", "rules/takeover"},
	} {
		if goes(broken[0], broken[1]) {
			t.Errorf("%q may import %q", broken[0], broken[1])
		}
	}
}

// listed is a package as go list tells it.
type listed struct {
	ImportPath, Dir string
	Imports         []string
	GoFiles         []string
}

func (p listed) path() string {
	path, _ := inside(p.ImportPath)
	return path
}

// inside gives the path of a package of ours below the root.
func inside(imported string) (path string, ours bool) {
	path, ours = strings.CutPrefix(imported+"/", "releve/")
	return strings.TrimSuffix(path, "/"), ours
}

func packages(t *testing.T) (all []listed) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for each := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := each.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// each gives every file of a package, read.
func (p listed) each(t *testing.T, look func(name string, file *ast.File)) {
	t.Helper()
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		look(p.ImportPath+"/"+name, file)
	}
}

// pure is all that a rule may need of others: of the standard library no clock, no disk, no
// network, no logger; and four libraries that are values in and values out as well.
var pure = []string{
	"bytes", "cmp", "crypto/ed25519", "crypto/hmac", "crypto/sha1", "crypto/sha256", "crypto/subtle", "embed", "encoding/base32", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt", "iter",
	"maps", "math", "net/netip", "net/url", "slices", "strconv", "strings", "time", "unicode", "unicode/utf8",
	"github.com/pelletier/go-toml/v2", "golang.org/x/crypto/argon2", "golang.org/x/mod/semver", "golang.org/x/mod/sumdb/note",
}

// A rule is values in and values out.
func TestRulesHaveNoClockAndNoHands(t *testing.T) {
	read := 0
	for _, p := range packages(t) {
		if floor, _ := split(p.path()); floor != "rules" {
			continue
		}
		for _, imported := range p.Imports {
			if _, ours := inside(imported); !ours && !slices.Contains(pure, imported) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
		}
		p.each(t, func(name string, file *ast.File) {
			for _, what := range hands(file) {
				t.Errorf("%s: %s", name, what)
			}
			read++
		})
	}
	if read < 10 {
		t.Errorf("only %d files of rules were read", read)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f(c chan int) { go f(nil); _ = time.Now(); <-time.After(1); select {} }", 0)
	if err != nil {
		t.Fatal(err)
	}
	if found := hands(file); len(found) != 6 {
		t.Errorf("of what a rule may not do, found %q", found)
	}
}

// hands are what in a file needs more than values.
func hands(file *ast.File) (found []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "it begins a goroutine")
		case *ast.SelectStmt, *ast.ChanType:
			found = append(found, "it waits for a channel")
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				found = append(found, "it receives from a channel")
			}
		case *ast.SelectorExpr:
			name := fmt.Sprint(n.X) + "." + n.Sel.Name
			if slices.Contains([]string{"time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc", "time.Sleep", "time.NewTimer", "time.NewTicker", "time.Tick"}, name) {
				found = append(found, "it has a clock: "+name)
			}
		}
		return true
	})
	return found
}

// Go takes a text for a severity where one is meant; a wrong one would have neither words
// nor a place in the order.
func TestNobodyWritesASeverityAsText(t *testing.T) {
	read := 0
	for _, p := range packages(t) {
		p.each(t, func(name string, file *ast.File) {
			for _, what := range spelled(file) {
				t.Errorf("%s: %s", name, what)
			}
			read++
		})
	}
	if read < 200 {
		t.Errorf("only %d files were read", read)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\nvar e = Event{Severity: \"info\"}\nvar f = Event{Severity: Info}", 0)
	if err != nil {
		t.Fatal(err)
	}
	if found := spelled(file); !slices.Equal(found, []string{"info"}) {
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
		if pair, is := n.(*ast.KeyValueExpr); is && lastName(pair.Key) == "Severity" {
			note(pair.Value)
		}
		return true
	})
	return found
}

// Whatever a room tells has its place in the rule book, as an alarm or as news: nobody is woken, or left
// to sleep, because a sentence was forgotten there.
func TestWhatRoomsTellIsInTheRuleBook(t *testing.T) {
	found := 0
	for _, p := range packages(t) {
		floor, _, _ := strings.Cut(strings.TrimPrefix(p.ImportPath, "releve/"), "/")
		if !slices.Contains([]string{"adapters", "app", "doors", "server"}, floor) {
			continue
		}
		p.each(t, func(name string, file *ast.File) {
			for _, code := range told(file) {
				found++
				if !alarm.Knows(code) {
					t.Errorf("%s tells %s, which the rule book of alarms does not know", name, code)
				}
			}
		})
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

// mostAssembly is how many lines the assembly of a server may have: who reads it reads the story of a
// server, and what decides or translates stands in the room whose it is.
const mostAssembly = 900

func TestTheAssemblyIsShort(t *testing.T) {
	files, err := filepath.Glob("app/*.go")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines += strings.Count(string(text), "\n")
	}
	if lines > mostAssembly || lines == 0 {
		t.Errorf("app has %d lines, and may have %d", lines, mostAssembly)
	}
}
