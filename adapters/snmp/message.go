package snmp

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/gosnmp/gosnmp"

	"releve"
	"releve/rules/alarm"
)

// What RELEVE-MIB has, under enterprises.
const (
	sysUpTime   = "1.3.6.1.2.1.1.3.0"
	snmpTrapOID = "1.3.6.1.6.3.1.1.4.1.0"
)

// module is RELEVE-MIB's.
var module = fmt.Sprintf("1.3.6.1.4.1.%d.1", Enterprise)

// The notifications.
const (
	active     = 1
	cleared    = 2
	unattended = 3
	test       = 4
)

// of is the notification that has a message.
var of = map[alarm.Message]int{alarm.Began: active, alarm.Ended: cleared, alarm.Waits: unattended}

// perceived is how grave an alarm is in the numbers of ItuPerceivedSeverity (RFC 3877, 5.3).
var perceived = map[releve.Severity]int{
	releve.Cleared: 1, releve.Info: 2, releve.Critical: 3, releve.Major: 4, releve.Warning: 6,
}

// textMost is how long a text is, in bytes (ReleveText): one notification goes into one datagram of the network.
const textMost = 400

// notifications are a letter's, the variables of one for each alarm; of a test, one.
func (s Sender) notifications(l alarm.Letter) (all [][]gosnmp.SnmpPDU) {
	for _, i := range l.Alarms {
		severity := i.Severity
		if i.Message == alarm.Ended {
			severity = releve.Cleared
		}
		all = append(all, append(s.head(l, of[i.Message], i.Notice.ID()),
			text(4, i.Key.String()), text(5, string(i.Key.Code)), text(6, i.Key.Subject()),
			gosnmp.SnmpPDU{Name: object(7), Type: gosnmp.Integer, Value: perceived[severity]},
			gosnmp.SnmpPDU{Name: object(8), Type: gosnmp.OctetString, Value: dateAndTime(i.Since)},
			text(9, i.What), text(10, i.Callers), text(11, i.First)))
	}
	if len(l.Alarms) == 0 {
		all = append(all, append(s.head(l, test, l.ID), text(9, l.Subject)))
	}
	return all
}

// head is what each notification begins with: how long we have run, which one it is (RFC 3416, 4.2.6), its
// number, the site, and the server that sends it. The number is the same each time that the same is sent.
func (s Sender) head(l alarm.Letter, which int, id string) []gosnmp.SnmpPDU {
	sum := sha256.Sum256([]byte(s.SiteID + " " + id))
	return []gosnmp.SnmpPDU{
		{Name: sysUpTime, Type: gosnmp.TimeTicks, Value: uptime()},
		{Name: snmpTrapOID, Type: gosnmp.ObjectIdentifier, Value: fmt.Sprintf("%s.0.%d", module, which)},
		text(1, hex.EncodeToString(sum[:16])), text(2, l.Site), text(3, string(l.Seat)),
	}
}

var started = time.Now()

// uptime is for how long this program has run, in hundredths of a second; it begins anew after 497 days (RFC 3418).
func uptime() uint32 { return uint32(time.Since(started) / (10 * time.Millisecond)) }

// object is the name of one of RELEVE-MIB's.
func object(number int) string { return fmt.Sprintf("%s.1.%d.0", module, number) }

func text(number int, value string) gosnmp.SnmpPDU {
	value = releve.Plain(value)
	for len(value) > textMost {
		_, last := utf8.DecodeLastRuneInString(value)
		value = value[:len(value)-last]
	}
	return gosnmp.SnmpPDU{Name: object(number), Type: gosnmp.OctetString, Value: value}
}

// dateAndTime is a moment as RFC 2579 writes it, in UTC; eight octets and the way from UTC.
func dateAndTime(at time.Time) string {
	at = at.UTC()
	return string([]byte{
		byte(at.Year() >> 8), byte(at.Year()), byte(at.Month()), byte(at.Day()), byte(at.Hour()), byte(at.Minute()), byte(at.Second()),
		byte(at.Nanosecond() / 1e8), '+', 0, 0,
	})
}
