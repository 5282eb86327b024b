package config

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"releve/rules/attendant"
	"releve/rules/lines"
)

// The rules of settings that are lists: each value that is wrong is told at its line.

// each looks at every value of a list; why gives what is wrong with one, as a code of
// package words and its arguments, and nothing for a good one.
func (r *reader) each(key string, why func(value string) (code string, pairs []string)) {
	if r.explained(key) {
		return
	}
	for _, i := range r.items[key] {
		if code, pairs := why(i.text); code != "" {
			r.sayItem(key, i, code, pairs...)
		}
	}
}

// plan checks the numbers that may be dialled, and that the operator is one of them.
func (r *reader) plan(a Attendant) {
	const key = "attendant.extensions"
	if len(a.Extensions) == 0 && !r.explained(key) {
		r.wrong(key, "plan.missing")
		return
	}
	r.each(key, func(value string) (string, []string) {
		one, err := attendant.ParsePlan(value)
		switch {
		case err != nil:
			return "plan", []string{"value", value}
		case one.Longest() > a.ExtensionDigits && !(one.Holds(a.Operator) && value == a.Operator):
			return "plan.long", []string{"value", value, "digits", strconv.Itoa(one.Longest()), "most", strconv.Itoa(a.ExtensionDigits)}
		}
		return "", nil
	})
	if plan, err := attendant.ParsePlan(a.Extensions...); err == nil && a.Operator != "" && !plan.Holds(a.Operator) {
		r.wrong("attendant.operator", "plan.operator", "value", a.Operator)
	}
}

// checkLines checks where each analogue line goes: two have neither one port nor one number, and each takes a
// channel when somebody calls on it.
func (r *reader) checkLines(l Lines, channels int) {
	const key = "lines.plugged"
	taken := map[string]bool{}
	r.each(key, func(value string) (string, []string) {
		line, ok := lines.Parse(value)
		if !ok {
			return "line", []string{"value", value}
		}
		for _, what := range []string{line.Place(), line.Number} {
			if taken[what] {
				return "line.twice", []string{"what", what}
			}
			taken[what] = true
		}
		return "", nil
	})
	if n := len(l.Plugged); n > channels {
		r.wrong("sip.channels", "line.channels", "lines", strconv.Itoa(n), "channels", strconv.Itoa(channels))
	}
}

// networks checks addresses and prefixes, and where names are allowed, names.
func (r *reader) networks(key, code string, names bool) {
	r.each(key, func(value string) (string, []string) {
		if _, ok := parseNetwork(value); ok || names && isName(value) {
			return "", nil
		}
		return code, []string{"value", value}
	})
}

// names checks names of machines. Addresses need none.
func (r *reader) names(key string) {
	r.each(key, func(value string) (string, []string) {
		if isName(value) {
			return "", nil
		}
		return "name", []string{"value", value}
	})
}

// parseNetwork reads an address or a prefix; an address is a prefix of its own length.
func parseNetwork(text string) (netip.Prefix, bool) {
	if at, err := netip.ParseAddr(text); err == nil {
		at = at.Unmap()
		return netip.PrefixFrom(at, at.BitLen()), at.Zone() == "" && !at.IsMulticast() && !at.IsUnspecified()
	}
	prefix, err := netip.ParsePrefix(text)
	return prefix.Masked(), err == nil
}

// Networks tells the addresses and prefixes of a list that was checked from the names in it.
func Networks(list []string) (written []netip.Prefix, names []string) {
	for _, text := range list {
		if p, ok := parseNetwork(text); ok {
			written = append(written, p)
		} else {
			names = append(names, text)
		}
	}
	return written, names
}

// isName says whether a text can be a host's name (RFC 1123 §2.1). What is made of
// digits and dots alone is a mistyped address.
func isName(text string) bool {
	if len(text) > 253 || strings.Trim(text, "0123456789.") == "" {
		return false
	}
	return !slices.ContainsFunc(strings.Split(strings.TrimSuffix(text, "."), "."), func(label string) bool {
		return label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != ""
	})
}
