package words

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"releve"
)

// nbsp keeps a number and its unit on one line.
const nbsp = "\u00a0"

// Number writes a whole number with its thousands apart.
func Number(lang releve.Language, n int64) string {
	separator := ","
	if lang == releve.French {
		separator = "\u202f"
	}
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + separator + digits[i:]
	}
	return sign + digits
}

// Moment is a time with its day, by the machine's own clock, to the minute.
func Moment(lang releve.Language, t time.Time) string { return moment(lang, t.Format(time.RFC3339)) }

// moment writes a time of RFC 3339 by the machine's own clock, to the minute; what is none, as it is.
func moment(lang releve.Language, s string) string {
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return s
	}
	if lang == releve.French {
		return at.Local().Format("02/01/2006 à 15:04")
	}
	return at.Local().Format("2 January 2006, 15:04")
}

// decimal writes one digit after the point, none where it is 0.
func decimal(lang releve.Language, x float64) string {
	s := strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
	if lang == releve.French {
		s = strings.Replace(s, ".", ",", 1)
	}
	return s
}

// Bytes writes a size in powers of 1000, as disks and networks are sold.
func Bytes(lang releve.Language, n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	if lang == releve.French {
		units = []string{"o", "ko", "Mo", "Go", "To"}
	}
	x, i := float64(n), 0
	for math.Abs(x) >= 999.95 && i < len(units)-1 {
		x, i = x/1000, i+1
	}
	return decimal(lang, x) + nbsp + units[i]
}

// Duration writes what a person can judge: milliseconds under a second, then
// seconds, then the two largest units.
func Duration(lang releve.Language, d time.Duration) string {
	whole := d.Round(time.Second)
	seconds := int(whole / time.Second)
	switch {
	case d < 0:
		return "-" + Duration(lang, -d)
	case d < time.Second:
		return fmt.Sprintf("%d%sms", d.Milliseconds(), nbsp)
	case d < 59950*time.Millisecond:
		return decimal(lang, d.Seconds()) + nbsp + "s"
	case whole < time.Hour:
		return fmt.Sprintf("%d%smin %02d%ss", seconds/60, nbsp, seconds%60, nbsp)
	case whole < 24*time.Hour:
		return fmt.Sprintf("%d%sh %02d%smin", seconds/3600, nbsp, seconds/60%60, nbsp)
	}
	day := "d"
	if lang == releve.French {
		day = "j"
	}
	return fmt.Sprintf("%d%s%s %d%sh", seconds/86400, nbsp, day, seconds/3600%24, nbsp)
}

// Age is how long something has lasted: a duration without the seconds that nobody counts any more.
func Age(lang releve.Language, d time.Duration) string {
	if d < time.Minute || d >= time.Hour {
		return Duration(lang, d)
	}
	return fmt.Sprintf("%d%smin", int(d/time.Minute), nbsp)
}

// Clock writes the time of day at this machine, with the day where it is not
// now's.
func Clock(lang releve.Language, t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.IsZero() || t.Unix() <= 0 {
		return "–"
	}
	clock := t.Format("15:04:05")
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return clock
	}
	if lang == releve.French {
		return t.Format("02/01 ") + clock
	}
	return t.Format("2 Jan ") + clock
}

// duration writes an argument of a sentence: a Go duration or a number of seconds.
func duration(lang releve.Language, s string) string {
	if d, err := time.ParseDuration(s); err == nil {
		return Duration(lang, d)
	}
	if x, err := strconv.ParseFloat(s, 64); err == nil {
		return Duration(lang, time.Duration(x*float64(time.Second)))
	}
	return s
}

// age writes an argument that is how long something has lasted.
func age(lang releve.Language, s string) string {
	d, err := time.ParseDuration(s)
	if err != nil {
		return s
	}
	return Age(lang, d)
}

// size writes an argument that counts bytes.
func size(lang releve.Language, s string) string {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return s
	}
	return Bytes(lang, n)
}
