package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// fields are the values of a file by their dotted keys, and its tables.
type fields map[string]reflect.Value

// fieldsOf takes a pointer to a struct of structs.
func fieldsOf(c any) fields {
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
	case field.Type() == reflect.TypeFor[Rate]():
		rate, err := ParseRate(e.text)
		if e.kind != unstable.String || err != nil {
			return "rate"
		}
		field.SetInt(int64(rate))
	case field.Type() == reflect.TypeFor[Size]():
		size, err := ParseSize(e.text)
		if e.kind != unstable.String || err != nil {
			return "size"
		}
		field.SetInt(int64(size))
	case field.Type() == reflect.TypeFor[[]string]():
		if e.kind != unstable.Array || slices.ContainsFunc(e.list, func(i item) bool { return i.kind != unstable.String }) {
			return "list"
		}
		texts := make([]string, 0, len(e.list))
		for _, i := range e.list {
			texts = append(texts, i.text)
		}
		field.Set(reflect.ValueOf(texts))
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
	case field.Kind() == reflect.Bool:
		if e.kind != unstable.Bool {
			return "boolean"
		}
		field.SetBool(e.text == "true")
	}
	return ""
}

// nearest is the known key that an unknown one was probably meant to be: one that
// is written almost so, or else the only one of almost that name in another
// table. "" when there is none.
func (f fields) nearest(key string) string {
	if near := f.closest(key, func(known string) string { return known }); near != "" {
		return near
	}
	return f.closest(lastOf(key), lastOf)
}

// closest is the one key whose part is nearest to the text, if it is near at all.
func (f fields) closest(text string, part func(string) string) (best string) {
	least := min(2, len(lastOf(text))/2) + 1 // more letters than that are no slip
	for known := range f {
		switch d := distance(text, part(known)); {
		case d < least:
			best, least = known, d
		case d == least:
			best = "" // two are as near: neither is suggested
		}
	}
	return best
}

// lastOf is the name of a dotted key within its table.
func lastOf(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

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
