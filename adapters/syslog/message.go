package syslog

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"releve"
	"releve/rules/alarm"
)

// perceived is how grave an alarm is as RFC 5674 writes it, and the severity of the message that tells of
// it (its table 1).
var perceived = map[releve.Severity]struct {
	name string
	code int
}{
	releve.Critical: {"critical", 1}, releve.Major: {"major", 2}, releve.Warning: {"warning", 4},
	releve.Info: {"indeterminate", 5}, releve.Cleared: {"cleared", 5},
}

// most is how long a message may be, in bytes: what every receiver should take (RFC 5424, 6.1).
const most = 2048

// facilities are those that alarms may go under (RFC 5424, table 1).
var facilities = map[string]int{
	"daemon": 3, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23,
}

// messages are a letter's, one for each alarm; of a test, one.
func (s Sender) messages(l alarm.Letter) (all []string) {
	for _, item := range l.Alarms {
		severity := item.Severity
		if item.Message == alarm.Ended {
			severity = releve.Cleared
		}
		about := fmt.Sprintf(`[alarm resource="%s" probableCause="other" perceivedSeverity="%s"]`,
			escaped(strings.TrimRight(l.Site+"/"+item.Key.Subject(), "/")), perceived[severity].name)
		all = append(all, s.message(severity, l.At, string(item.Key.Code), about, item.What+" "+item.First))
	}
	if len(l.Alarms) == 0 {
		all = append(all, s.message(releve.Info, l.At, "test", "-", l.Subject))
	}
	return all
}

// message is one, RFC 5424, 6.
func (s Sender) message(severity releve.Severity, at time.Time, id, about, text string) string {
	m := fmt.Sprintf("<%d>1 %s %s releve - %s %s \ufeff%s", facilities[s.Facility]*8+perceived[severity].code,
		at.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), printable(s.Host), id, about, releve.Plain(text))
	for len(m) > most {
		_, last := utf8.DecodeLastRuneInString(m)
		m = m[:len(m)-last]
	}
	return m
}

// escaped is a text as the value of a parameter (RFC 5424, 6.3.3).
func escaped(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(releve.Plain(text))
}

// printable is a name of a machine, "-" of one that has none that may be written (RFC 5424, 6.2.4).
func printable(host string) string {
	if host == "" || len(host) > 255 || strings.ContainsFunc(host, func(r rune) bool { return r < 33 || r > 126 }) {
		return "-"
	}
	return host
}
