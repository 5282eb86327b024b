// Package docs_test holds the pages for people to what they say.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"releve/config"
	"releve/rules/pbx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pages are all of them, below the repository's root.
func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) < 8 {
		t.Fatalf("only %d pages were found: %v", len(all), err)
	}
	return all
}

// holds that a file is what the code makes of it, or writes it where that is wanted. test is the beginning
// of the test's name.
func holds(t *testing.T, file, made, test string) {
	t.Helper()
	if *write {
		if err := os.WriteFile(file, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, file) != made {
		t.Errorf("%s is not what is made of the code: go test ./docs -run %s -args -write", file, test)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(file)
}

var (
	link   = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	fenced = regexp.MustCompile("(?s)```.*?```") // what is to be copied has no links
)

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(fenced.ReplaceAllString(read(t, page), ""), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}

// place is a path of the repository: a floor's or an assembly's, down to a file.
var place = regexp.MustCompile("`((?:rules|server|adapters|doors|screen|proof|config|app|cli|cmd|scripts)/[^` ]*)`")

func TestEveryPlaceIsThere(t *testing.T) {
	found := 0
	for _, page := range pages(t) {
		for _, m := range place.FindAllStringSubmatch(read(t, page), -1) {
			found++
			if there, err := filepath.Glob(filepath.Join("..", m[1])); err != nil || len(there) == 0 {
				t.Errorf("%s names %s, which is not there", page, m[1])
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d places are named", found)
	}
}

// held are the names, in parentheses behind a file of ours, that are to be found in it.
var held = regexp.MustCompile("`([a-z/_]+\\.go)` \\(((?:`[A-Za-z-]+`(?:, )?)+)\\)")

func TestEveryNameIsInItsFile(t *testing.T) {
	found := 0
	for _, page := range pages(t) {
		for _, m := range held.FindAllStringSubmatch(read(t, page), -1) {
			source := read(t, filepath.Join("..", m[1]))
			for _, name := range strings.Split(m[2], ", ") {
				found++
				if name = strings.Trim(name, "`"); !regexp.MustCompile(`\b` + name + `\b`).MatchString(source) {
					t.Errorf("%s says that %s holds %s", page, m[1], name)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d names are told", found)
	}
}

// TestBothLanguagesShowTheSame compares what does not depend on the language: headings,
// rows of tables, steps, and the first word of every line of a command.
func TestBothLanguagesShowTheSame(t *testing.T) {
	found := 0
	for _, page := range pages(t) {
		english, isFrench := strings.CutSuffix(page, ".fr.md")
		if !isFrench {
			continue
		}
		found++
		if e, f := shape(read(t, english+".md")), shape(read(t, page)); !slices.Equal(e, f) {
			t.Errorf("%s.md and %s differ in shape:\n%q\n%q", english, page, e, f)
		}
	}
	if found < 2 {
		t.Errorf("only %d pages are in French", found)
	}
}

// shape is a page without its words.
func shape(page string) []string {
	var all []string
	inside := false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			inside = !inside
			all = append(all, line)
		case inside && strings.HasPrefix(line, "releve "):
			all = append(all, strings.Join(strings.Fields(line)[:2], " "))
		case strings.HasPrefix(line, "#"):
			all = append(all, strings.Fields(line)[0])
		case strings.HasPrefix(line, "|"):
			all = append(all, "row")
		}
	}
	return all
}

// TestTheRecipeOfAsteriskFitsTheProduct holds the files that an integrator copies to the
// defaults of what `releve init` writes.
func TestTheRecipeOfAsteriskFitsTheProduct(t *testing.T) {
	profile, err := pbx.Find("asterisk")
	if err != nil {
		t.Fatal(err)
	}
	pjsip, dialplan := profile.Files[0].Fill(pbx.Example()), profile.Files[1].Fill(pbx.Example())
	d := config.Defaults()
	expires := time.Duration(d.PBX.Expires)
	if least, most := seconds(t, pjsip, "minimum_expiration"), seconds(t, pjsip, "maximum_expiration"); expires < least || expires > most {
		t.Errorf("a binding of %v is not within %v to %v", expires, least, most)
	}
	for _, user := range []string{"reception", "standby"} {
		if !strings.Contains(pjsip, "["+user+"](releve-endpoint)") || !strings.Contains(dialplan, "Dial(PJSIP/"+user+",") {
			t.Errorf("the user %s is missing in a file", user)
		}
	}
	if !strings.Contains(dialplan, "refuses with "+strconv.Itoa(d.PBX.RefusalCode)) {
		t.Errorf("the dialplan does not name the code %d", d.PBX.RefusalCode)
	}
	// A call that overflows first waits for a verdict: all its rounds, and a second for the rest.
	verdict := time.Duration(d.Takeover.Rounds)*time.Duration(d.Takeover.Limit+d.Takeover.Pause) + time.Second
	if patience := ringing(t, dialplan, "standby"); patience < verdict {
		t.Errorf("Asterisk waits %v for the standby, which may need %v", patience, verdict)
	}
	for _, name := range []string{"from-num", "count", "reason"} {
		if !strings.Contains(dialplan, "REDIRECTING("+name+",i)") {
			t.Errorf("the dialplan does not set REDIRECTING(%s)", name)
		}
	}
}

func seconds(t *testing.T, file, name string) time.Duration {
	t.Helper()
	return captured(t, file, `(?m)^`+name+` = (\d+)$`)
}

func ringing(t *testing.T, file, user string) time.Duration {
	t.Helper()
	return captured(t, file, `Dial\(PJSIP/`+user+`,(\d+)\)`)
}

func captured(t *testing.T, file, pattern string) time.Duration {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(file)
	if m == nil {
		t.Fatalf("%s is not in the file", pattern)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * time.Second
}
