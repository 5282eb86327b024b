package licence_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"releve"
	"releve/rules/licence"
)

const (
	base, mirroring = releve.Base, releve.Mirroring
	backup, ha      = releve.Backup, releve.HighAvailability
)

func TestLicencesAddUp(t *testing.T) {
	for story, c := range map[string]struct {
		has  []licence.Licence
		may  []releve.Level
		of   releve.Level
		many int // channels of that level
	}{
		"none at all":                             {nil, nil, base, 0},
		"base":                                    {[]licence.Licence{of("1", base)}, []releve.Level{base}, base, 30},
		"mirroring on base":                       {[]licence.Licence{of("1", base), of("2", mirroring)}, []releve.Level{base, mirroring}, mirroring, 30},
		"mirroring on nothing":                    {[]licence.Licence{of("2", mirroring)}, nil, mirroring, 0},
		"high availability on nothing":            {[]licence.Licence{of("2", ha)}, nil, ha, 0},
		"high availability holds both":            {[]licence.Licence{of("1", base), of("2", ha)}, []releve.Level{base, backup, mirroring, ha}, mirroring, 30},
		"both do not make high availability":      {[]licence.Licence{of("1", base), of("2", mirroring), of("3", backup)}, []releve.Level{base, backup, mirroring}, ha, 0},
		"base has expired":                        {[]licence.Licence{of("1", base, from(-9, 0)), of("2", ha)}, nil, ha, 0},
		"of two, the larger":                      {[]licence.Licence{of("1", base), of("2", base, channels(60))}, []releve.Level{base}, base, 60},
		"each covers what runs":                   {[]licence.Licence{of("1", base, channels(60)), of("2", ha)}, []releve.Level{base, backup, mirroring, ha}, ha, 30},
		"base alone for more":                     {[]licence.Licence{of("1", base, channels(60)), of("2", ha)}, []releve.Level{base, backup, mirroring, ha}, base, 60},
		"a smaller one replaces":                  {[]licence.Licence{of("1", base, channels(60)), of("2", base, replacing("1"))}, []releve.Level{base}, base, 30},
		"one that is to come replaces nothing":    {[]licence.Licence{of("1", base), of("2", base, channels(10), replacing("1"), from(9, 20))}, []releve.Level{base}, base, 30},
		"what replaced it has expired":            {[]licence.Licence{of("1", base), of("2", base, replacing("1"), from(-9, 0))}, nil, base, 0},
		"issued before, it replaces nothing":      {[]licence.Licence{of("1", base), of("2", base, channels(10), replacing("1"), func(l *licence.Licence) { l.Issued = day(-11) })}, []releve.Level{base}, base, 30},
		"issued in one moment":                    {[]licence.Licence{of("1", base, channels(60)), of("2", base, func(l *licence.Licence) { l.Replaces = []string{"1"} })}, []releve.Level{base}, base, 30},
		"each would replace the other":            {[]licence.Licence{of("1", base, func(l *licence.Licence) { l.Replaces = []string{"2"} }), of("2", base, func(l *licence.Licence) { l.Replaces = []string{"1"} })}, []releve.Level{base}, base, 30},
		"it would replace itself":                 {[]licence.Licence{of("1", base, func(l *licence.Licence) { l.Replaces = []string{"1"} })}, []releve.Level{base}, base, 30},
		"what replaced it was replaced":           {[]licence.Licence{of("1", base, channels(90)), of("2", base, channels(60), replacing("1")), of("3", base, replacing("2"), func(l *licence.Licence) { l.Issued = day(-1) })}, []releve.Level{base}, base, 30},
		"two of one serial: the first":            {[]licence.Licence{of("1", base, channels(90), replacing()), of("1", base)}, []releve.Level{base}, base, 30},
		"… whose last day has come":               {[]licence.Licence{of("1", base, from(-9, 0)), of("1", base, replacing())}, nil, base, 0},
		"… and one that replaces both":            {[]licence.Licence{of("1", base), of("1", base, channels(90), replacing()), of("2", base, channels(60), replacing("1"), func(l *licence.Licence) { l.Issued = day(-1) })}, []releve.Level{base}, base, 60},
		"… and what contradicts replaces nothing": {[]licence.Licence{of("0", base, channels(60)), of("1", base), of("1", base, channels(90), replacing("0"))}, []releve.Level{base}, base, 60},
	} {
		has := all(t, c.has...)
		for range 2 { // in whatever order, and however often
			sum := licence.Add(slices.Concat(has, has), day(0))
			if got := sum.Licensed(); !slices.Equal(got, c.may) || sum.ChannelsOf(c.of) != c.many || len(sum.All) != len(has) {
				t.Errorf("%s: may run %v, %s for %d", story, got, c.of, sum.ChannelsOf(c.of))
			}
			slices.Reverse(has)
		}
	}
}

// The last day is a whole one, and so is the first.
func TestDays(t *testing.T) {
	has := all(t, of("1", base, from(0, 10)))
	for moment, may := range map[time.Time]bool{
		day(0).Add(-time.Second): false, day(0): true, day(10).Add(-time.Second): true, day(10): false,
	} {
		if licence.Add(has, moment).May(base) != may {
			t.Errorf("at %s: %v", moment, !may)
		}
	}
}

func TestWhenALevelEndsWithItsRenewals(t *testing.T) {
	for story, c := range map[string]struct {
		has []licence.Licence
		end time.Time
	}{
		"one":                          {[]licence.Licence{of("1", base, forEver), of("2", ha, from(-1, 10))}, day(10)},
		"the base ends before":         {[]licence.Licence{of("1", base, from(-1, 5)), of("2", ha, from(-1, 10))}, day(5)},
		"renewed":                      {[]licence.Licence{of("1", base, forEver), of("2", ha, from(-1, 10)), of("3", ha, from(10, 20))}, day(20)},
		"renewed with a gap":           {[]licence.Licence{of("1", base, forEver), of("2", ha, from(-1, 10)), of("3", ha, from(11, 20))}, day(10)},
		"renewed for ever":             {[]licence.Licence{of("1", base, forEver), of("2", ha, from(-1, 10)), of("3", ha, from(9, 20), forEver)}, time.Time{}},
		"replaced by something lesser": {[]licence.Licence{of("1", base, forEver), of("2", ha, from(-1, 30)), of("3", mirroring, from(9, 20), replacing("2"))}, day(9)},
	} {
		if got := licence.Add(all(t, c.has...), day(0)).Ends(ha); !got.Equal(c.end) {
			t.Errorf("%s: %s, not %s", story, got, c.end)
		}
	}
}

// No licence takes anything away that it does not name, in whatever order they come.
func TestMoreLicencesNeverGiveLess(t *testing.T) {
	var pool []licence.Licence
	for _, level := range licence.Levels {
		for i, change := range []func(*licence.Licence){forEver, from(-5, 5), from(-9, -5), from(5, 9), channels(90)} {
			pool = append(pool, all(t, of(string(level)+string(rune('0'+i)), level, change))...)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		drawn := rapid.SliceOfN(rapid.SampledFrom(pool), 0, 8).Draw(r, "licences")
		before, after := licence.Add(drawn[:len(drawn)/2], day(0)), licence.Add(drawn, day(0))
		for _, level := range licence.Levels {
			if after.ChannelsOf(level) < before.ChannelsOf(level) {
				r.Fatalf("%s: %d, before %d", level, after.ChannelsOf(level), before.ChannelsOf(level))
			}
		}
		if mixed := licence.Add(rapid.Permutation(drawn).Draw(r, "order"), day(0)); !reflect.DeepEqual(mixed.Licensed(), after.Licensed()) {
			r.Fatalf("in another order %v, not %v", mixed.Licensed(), after.Licensed())
		}
	})
}
