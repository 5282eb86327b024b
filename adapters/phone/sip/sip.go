// Package sip sends and receives SIP messages on one UDP socket: their
// transactions (RFC 3261 §17), digest authentication, and a screen in front that
// answers or drops what must not reach a handler.
//
// It is the only room that knows the SIP library. What the library does with
// dialogs is not used: a dialog here is a value that can be stored and taken up
// by another server (package dialog).
package sip

import (
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// The library's messages, under the names by which the other rooms know them.
type (
	Request           = gosip.Request
	Response          = gosip.Response
	Message           = gosip.Message
	URI               = gosip.Uri
	ClientTransaction = gosip.ClientTx
)

// Methods lists what this server takes, as Allow says it (RFC 3261 §20.5).
// UPDATE is absent on purpose: a PBX that wants session timers then refreshes
// with re-INVITE, which needs nothing new.
const Methods = "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, INFO"

// Allowed says whether Methods names the method.
func Allowed(method string) bool {
	return strings.Contains(", "+Methods+", ", ", "+method+", ")
}

// Known says whether the method is defined by some RFC: then 405 refuses it and
// not 501 (RFC 3261 §8.2.1).
func Known(method string) bool {
	switch method {
	case "REGISTER", "SUBSCRIBE", "REFER", "INFO", "MESSAGE", "PRACK", "UPDATE", "PUBLISH":
		return true
	}
	return Allowed(method)
}

// reasons are the phrases of RFC 3261 §21 and RFC 3265 that this server says.
var reasons = map[int]string{
	100: "Trying", 200: "OK",
	400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
	406: "Not Acceptable", 408: "Request Timeout", 415: "Unsupported Media Type",
	416: "Unsupported URI Scheme", 420: "Bad Extension",
	480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
	486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event",
	500: "Server Internal Error", 501: "Not Implemented", 503: "Service Unavailable",
	505: "Version Not Supported", 513: "Message Too Large",
	600: "Busy Everywhere", 603: "Decline",
}

// Reason is the usual phrase of a status code.
func Reason(code int) string {
	if phrase, ok := reasons[code]; ok {
		return phrase
	}
	return "Refused"
}
