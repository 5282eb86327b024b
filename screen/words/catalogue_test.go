package words_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"releve"
	"releve/rules/procedure"
	rules "releve/rules/study"
	"releve/rules/takeover"
	"releve/screen/words"
)

// source is the product's text, tests left out.
type source struct {
	literals map[string]bool   // the strings of the program and of its page
	codes    map[string]string // what is certainly said, and where
}

// TestTheCatalogueIsWhatTheProductSays: no code is missing, none is left over, and both
// languages say the same with the same values.
func TestTheCatalogueIsWhatTheProductSays(t *testing.T) {
	english, french := words.Catalogue(releve.English), words.Catalogue(releve.French)
	for _, code := range slices.Sorted(maps.Keys(english)) {
		if other, ok := french[code]; !ok {
			t.Errorf("%s has no French", code)
		} else if e, f := arguments(english[code]), arguments(other); !slices.Equal(e, f) {
			t.Errorf("%s names %v in English and %v in French", code, e, f)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(french)) {
		if _, ok := english[code]; !ok {
			t.Errorf("%s has no English", code)
		}
		for _, lang := range languages {
			if !words.Finds(lang, code) {
				t.Errorf("%s is in a file and not found in %s", code, lang)
			}
		}
	}
	product, before := read(t), recorded(t)
	for _, code := range slices.Sorted(maps.Keys(product.codes)) {
		if _, ok := english[code]; !ok && english[code+".what"] == "" {
			t.Errorf("%s is said in %s and has no words", code, product.codes[code])
		}
	}
	for _, code := range slices.Sorted(maps.Keys(english)) {
		cli := strings.HasPrefix(code, "help.") || strings.HasPrefix(code, "manual.") // which looks at these itself
		if !cli && !before[whole(code)] && !product.names(whole(code)) {
			t.Errorf("nothing says %s", code)
		}
	}
}

// TestWhatWasRecordedBeforeIsStillSaid: diaries are read for years, and for the time of an
// upgrade the two servers are not of one version.
func TestWhatWasRecordedBeforeIsStillSaid(t *testing.T) {
	known := words.Catalogue(releve.French)
	for code := range recorded(t) {
		if known[code] == "" && known[code+".what"] == "" {
			t.Errorf("%s stands in diaries and has no words any more", code)
		}
	}
}

func recorded(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "recorded.txt"))
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			codes[line] = true
		}
	}
	return codes
}

// whole is the code of a fault that a text is a part of.
func whole(code string) string {
	return strings.TrimSuffix(strings.TrimSuffix(code, ".what"), ".todo")
}

// names says whether the source has a code: as it is, or in pieces, as the beginning of a
// family and what is added to it.
func (s source) names(code string) bool {
	if s.literals[code] {
		return true
	}
	for i, letter := range code {
		if (letter == '-' || letter == '.') && s.literals[code[:i+1]] && s.names(code[i+1:]) {
			return true
		}
	}
	return false
}

// read looks through the product, but for the tests and their tools.
func read(t *testing.T) source {
	t.Helper()
	s := source{literals: map[string]bool{}, codes: map[string]string{}}
	eachFile(t, filepath.Join("..", ".."), func(name string, n ast.Node) {
		room := tables[filepath.ToSlash(filepath.Dir(name))]
		if text, ok := literal(n); ok {
			s.note(name, text, room == "")
		}
		if call, ok := n.(*ast.CallExpr); ok {
			if code, ok := said(call); ok && strings.HasPrefix(code, "cause-") { // everybody's
				s.codes[code] = name
			} else if ok {
				s.codes[room+code] = name
			}
		}
	})
	pages, err := filepath.Glob(filepath.Join("..", "console", "page", "*.tmpl"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range append(pages, filepath.Join("..", "study", "page.tmpl")) {
		s.page(t, page)
	}
	if len(s.codes) < 300 {
		t.Errorf("only %d codes were found: the search is broken", len(s.codes))
	}
	return s
}

// note keeps a string of the source. One that looks like a code of everybody's is one, but in
// rooms that have codes of their own.
func (s source) note(name, text string, everybodys bool) {
	s.literals[text] = true
	s.literals[strings.ReplaceAll(text, " ", "-")] = true // of words that are recorded
	if everybodys && coded.MatchString(text) {
		s.codes[text] = name
	}
}

var (
	action = regexp.MustCompile(`\{\{.*?\}\}`)
	quoted = regexp.MustCompile(`"[^"]*"`)
)

func (s source) page(t *testing.T, name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range action.FindAllString(string(text), -1) {
		for _, literal := range quoted.FindAllString(a, -1) {
			s.note(name, strings.Trim(literal, `"`), true)
		}
	}
}

// eachFile visits the program below a directory.
func eachFile(t *testing.T, dir string, visit func(name string, n ast.Node)) {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() && slices.Contains([]string{"testdata", ".git"}, entry.Name()) {
			return fs.SkipDir
		}
		if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		found = true
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool { visit(name, n); return true })
		return nil
	})
	if err != nil || !found {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
}

// called is the name of a function as it is written, of a method with its receiver's.
func called(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		switch of := f.X.(type) {
		case *ast.Ident:
			return of.Name + "." + f.Sel.Name
		case *ast.SelectorExpr:
			return of.Sel.Name + "." + f.Sel.Name
		}
	}
	return ""
}

func literal(n ast.Node) (string, bool) {
	lit, ok := n.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// coded are the beginnings of codes that are kept in constants and tables before
// they are said.
var coded = regexp.MustCompile(`^(study|guide|why|tier|phase|rule|round|evidence|step|before|cost|next|found|check|` +
	`event|cause|calls|notice|account|callstep|difference|job|outcome|procedure|promise|spool|state|ui|word)-[a-z-]*[a-z]$`)

// sayers are the functions that make a sentence, and which of their arguments is its code.
var sayers = map[string]int{
	"releve.Say": 0, "releve.Known": 1, "releve.Explained": 2, "releve.Because": 2,
	"say":     0,
	"r.wrong": 1, "r.sayItem": 2, // of config
	"s.say": 0, "s.complaint": 1, "f.complaint": 1, "asked.complaint": 1, // of cli
	"narrator.say": 1, "narrator.sayAt": 2, "n.say": 1, "n.add": 1, "n.text": 0, "n.count": 0, "n.lasted": 0, // of demo
}

// tables are the parts of the catalogue that single rooms have for themselves.
var tables = map[string]string{"../../config": "config.", "../../cli": "cli.", "../../proof/demo": "demo."}

// said is the literal code of a call that makes a sentence.
func said(call *ast.CallExpr) (string, bool) {
	at, says := sayers[called(call)]
	if !says || len(call.Args) <= at {
		return "", false
	}
	return literal(call.Args[at])
}

var argument = regexp.MustCompile(`\.[a-z]+`)

// arguments are the values that a text names.
func arguments(text string) []string {
	var all []string
	for _, a := range action.FindAllString(text, -1) {
		all = append(all, argument.FindAllString(a, -1)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// rows are the names of the takeover's rows.
func rows() (names []string) {
	for _, row := range takeover.Table() {
		names = append(names, row.Rule)
	}
	return names
}

// TestWhatIsComposedHasWords: codes that no literal names, for they are made of a value.
func TestWhatIsComposedHasWords(t *testing.T) {
	composed := map[string][]string{
		"rule-":          append(rows(), "halted"),
		"round-":         {string(takeover.Good), string(takeover.Failed), string(takeover.Void)},
		"phase-":         constants(t, "Phase", "rules", "takeover"),
		"seat-":          constants(t, "Seat", "."),
		"duty-":          constants(t, "Duty", "."),
		"level-":         constants(t, "Level", "."),
		"arbiter-":       constants(t, "Arbiter", "."),
		"outcome-":       constants(t, "Outcome", "rules", "attendant"),
		"word-":          constants(t, "Word", "screen", "view"),
		"tier-":          constants(t, "TierState", "."),
		"mirror-":        constants(t, "MirrorState", "screen", "view"),
		"procedure-":     slices.Collect(maps.Keys(procedure.All)),
		"study-verdict-": constants(t, "StudyVerdict", "."),
		"study-party-":   constants(t, "Party", "."),
		"study-":         constants(t, "Feasibility", "."),
		"ui-severity-":   constants(t, "Severity", "."),
		"calldetail-":    append(verdicts(t), constants(t, "Destination", "rules", "attendant")...),
	}
	for family, values := range study() {
		composed[family] = values
	}
	for family, values := range composed {
		if len(values) == 0 {
			t.Errorf("no values of %s were found", family)
		}
		for _, value := range values {
			for _, lang := range languages {
				catalogue := words.Catalogue(lang)
				if catalogue[family+value] == "" && (catalogue[family+value+".what"] == "" || catalogue[family+value+".todo"] == "") {
					t.Errorf("%s has no words in %s", family+value, lang)
				}
			}
		}
	}
}

// study are the codes that a study makes of its checks and of what ports do.
func study() map[string][]string {
	var checks, bounded []string
	for _, c := range rules.Table() {
		checks = append(checks, c.ID)
		if c.Bounds != nil {
			bounded = append(bounded, c.ID)
		}
	}
	return map[string][]string{"study-check-": checks, "study-why-": bounded}
}

// verdicts are what the attendant records of a transfer.
func verdicts(t *testing.T) (names []string) {
	t.Helper()
	eachFile(t, filepath.Join("..", "..", "rules", "attendant"), func(_ string, n ast.Node) {
		made, ok := n.(*ast.CompositeLit)
		if !ok || len(made.Elts) == 0 {
			return
		}
		if kind, ok := made.Type.(*ast.Ident); !ok || kind.Name != "verdict" {
			return
		}
		name := made.Elts[0]
		if named, ok := name.(*ast.KeyValueExpr); ok {
			name = named.Value
		}
		if text, ok := literal(name); ok {
			names = append(names, strings.ReplaceAll(text, " ", "-"))
		}
	})
	return names
}

// constants are the values of the constants of a type, in the files of a room.
func constants(t *testing.T, kind string, room ...string) (values []string) {
	t.Helper()
	eachFile(t, filepath.Join(append([]string{"..", ".."}, room...)...), func(_ string, n ast.Node) {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) == 0 {
			return
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == kind {
			if text, ok := literal(spec.Values[0]); ok {
				values = append(values, text)
			}
		}
	})
	return values
}
