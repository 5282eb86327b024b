package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// fields are the values of a Config by their dotted keys, and its tables.
type fields map[string]reflect.Value

func fieldsOf(c *Config) fields {
	f := fields{}
	root := reflect.ValueOf(c).Elem()
	for i := range root.NumField() {
		table := root.Type().Field(i).Tag.Get("toml")
		f[table] = root.Field(i)
		for j := range root.Field(i).NumField() {
			f[table+"."+root.Field(i).Type().Field(j).Tag.Get("toml")] = root.Field(i).Field(j)
		}
	}
	return f
}

// set puts an entry's value into its field; the result is the form that the
// field expects when the value has another, and "" when all is well.
func set(field reflect.Value, e entry) (expected string) {
	switch {
	case field.Type() == reflect.TypeFor[Duration]():
		d, err := time.ParseDuration(e.text)
		if e.kind != unstable.String || err != nil {
			return "duration"
		}
		field.SetInt(int64(d))
	case field.Kind() == reflect.String:
		if e.kind != unstable.String {
			return "text"
		}
		field.SetString(e.text)
	case field.Kind() == reflect.Int:
		n, err := strconv.ParseInt(strings.ReplaceAll(e.text, "_", ""), 0, 32)
		if e.kind != unstable.Integer || err != nil {
			return "number"
		}
		field.SetInt(n)
	}
	return ""
}

// nearest is the known key that an unknown one was probably meant to be, or "".
func (f fields) nearest(key string) string {
	best, least := "", 3 // a typing slip is one or two letters
	for _, known := range f.sorted() {
		if d := distance(key, known); d < least {
			best, least = known, d
		}
	}
	if best == "" {
		best = f.elsewhere(key)
	}
	return best
}

// elsewhere finds a key that belongs under another table, when there is only one
// of that name.
func (f fields) elsewhere(key string) string {
	_, name, _ := cutLast(key)
	found := ""
	for known := range f {
		if !strings.HasSuffix(known, "."+name) {
			continue
		}
		if found != "" {
			return ""
		}
		found = known
	}
	return found
}

func (f fields) sorted() []string {
	keys := make([]string, 0, len(f))
	for key := range f {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// distance is Levenshtein's: how many letters to add, drop or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
