package phone

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"releve/adapters/phone/media"
)

// A story of a call's sound: what is known of its other end at each time since the answer.
type story func(at time.Duration) media.Life

// shows writes a story in which packets came until then, and after a later time again.
func shows(begin time.Time, until, again time.Duration) story {
	return func(at time.Duration) media.Life {
		if at > until && at < again {
			return media.Life{Sign: begin.Add(until)}
		}
		return media.Life{Sign: begin.Add(at)}
	}
}

func TestWhenThePBXIsAskedAboutASilentCall(t *testing.T) {
	const never = 1000 * time.Hour
	seconds := func(all ...int) (times []time.Duration) {
		for _, s := range all {
			times = append(times, time.Duration(s)*time.Second)
		}
		return times
	}
	for name, c := range map[string]struct {
		story func(begin time.Time) story
		want  []time.Duration // when it is asked, in the first 300 s
	}{
		"sound flows": {func(b time.Time) story { return shows(b, never, never) }, nil},
		"it stops for good": {
			func(b time.Time) story { return shows(b, 30*time.Second, never) }, seconds(40, 60, 100, 180),
		},
		"a pause of nine seconds": {
			func(b time.Time) story { return shows(b, 30*time.Second, 39*time.Second) }, nil,
		},
		"it comes back, and stops again": {
			func(b time.Time) story {
				return func(at time.Duration) media.Life {
					if at <= time.Minute {
						return shows(b, 30*time.Second, never)(at)
					}
					return shows(b, 90*time.Second, never)(at)
				}
			}, seconds(40, 60, 100, 120, 160, 240),
		},
		"nothing was ever heard": {
			func(time.Time) story { return func(time.Duration) media.Life { return media.Life{} } }, nil,
		},
		"held, and then not": {
			func(b time.Time) story {
				return func(at time.Duration) media.Life {
					if at < 100*time.Second {
						return media.Life{Sign: b.Add(5 * time.Second), Held: true}
					}
					return media.Life{Sign: b.Add(100 * time.Second)}
				}
			}, seconds(110, 130, 170, 250),
		},
		"he sends nothing while he listens": {
			func(b time.Time) story {
				return func(time.Duration) media.Life { return media.Life{Sign: b, Suppresses: true} }
			}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				tell := c.story(begin)
				var asked []time.Duration
				v := vigil{
					life: func() media.Life { return tell(time.Since(begin)) },
					ask: func(context.Context) error {
						asked = append(asked, time.Since(begin))
						return nil
					},
					first: silence, most: silenceMost, slept: time.Since,
				}
				ctx, stop := context.WithTimeout(t.Context(), 300*time.Second)
				defer stop()
				if err := v.watch(ctx); err != nil {
					t.Errorf("the call is over: %v", err)
				}
				if !slices.Equal(asked, c.want) {
					t.Errorf("asked after %v, want %v", asked, c.want)
				}
			})
		})
	}
}

// However long a call lasts, the questions become no denser than one in five minutes.
func TestTheQuestionsAboutASilentCallAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, asked := time.Now(), 0
		v := vigil{
			life:  func() media.Life { return media.Life{Sign: begin} },
			ask:   func(context.Context) error { asked++; return nil },
			first: silence, most: silenceMost, slept: time.Since,
		}
		ctx, stop := context.WithTimeout(t.Context(), 24*time.Hour)
		defer stop()
		_ = v.watch(ctx)
		if most := 24*12 + 6; asked > most || asked < 24*12-6 {
			t.Errorf("asked %d times in a day, about %d are meant", asked, 24*12)
		}
	})
}

func TestACallThatIsOverForThePBX(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, asked, over := time.Now(), 0, errors.New("481")
		v := vigil{
			life: func() media.Life { return media.Life{Sign: begin} },
			ask: func(context.Context) error {
				if asked++; asked < 3 {
					return nil
				}
				return over
			},
			first: silence, most: silenceMost, slept: time.Since,
		}
		if err := v.watch(t.Context()); !errors.Is(err, over) || time.Since(begin) != 70*time.Second {
			t.Errorf("over after %v with %v", time.Since(begin), err)
		}
	})
}

// A process that was stopped for a minute was deaf: its call has all the time to be heard of again.
func TestAServerThatSleptDoesNotAskAboutItsOwnSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, slept := time.Now(), false
		var asked []time.Duration
		v := vigil{
			life: func() media.Life { return media.Life{Sign: begin} },
			ask: func(context.Context) error {
				asked = append(asked, time.Since(begin))
				return nil
			},
			first: silence, most: silenceMost,
			slept: func(due time.Time) time.Duration {
				if slept {
					return time.Since(due)
				}
				slept = true
				return time.Minute
			},
		}
		ctx, stop := context.WithTimeout(t.Context(), 25*time.Second)
		defer stop()
		_ = v.watch(ctx)
		if want := []time.Duration{20 * time.Second}; !slices.Equal(asked, want) {
			t.Errorf("asked after %v, want %v: silence counts from when it woke", asked, want)
		}
	})
}
