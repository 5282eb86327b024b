package alarms

import (
	"time"

	"releve/rules/alarm"
	"releve/server/order"
)

// orderAlarms brings both servers' books together.
const orderAlarms = "alarms"

// tellAgain is how long to wait where the other server did not answer, or is of a version that knows no
// alarms.
const tellAgain = 10 * time.Second

func (k *Keeper) makeTwin() {
	k.twin = order.Twin[alarm.Book]{
		Name: orderAlarms, Again: tellAgain, Lock: &k.mu, Heard: func() bool { return k.heard }, Own: k.own, Hear: k.hear,
	}
}

// hear takes the other server's book in.
func (k *Keeper) hear(theirs alarm.Book) {
	k.desk.Hear(time.Now().UTC(), theirs)
	k.text = ""
	k.announce()
}

// Desk answers the other server.
func (k *Keeper) Desk() order.Desk { return order.Desk{orderAlarms: k.twin.Answer} }
