package attendant

// verdict is what became of a transfer, with the prompt that tells the caller.
type verdict struct{ name, prompt string }

var (
	taken    = verdict{name: "taken"}
	busy     = verdict{"busy", "busy"}
	noAnswer = verdict{"no answer", "noanswer"}
	unknown  = verdict{"unknown number", "invalid"}
	failed   = verdict{"failed", "failed"}
	// letGo: the PBX took the transfer and hung up without saying how it ended.
	letGo = verdict{name: "end unknown"}
	// unsettled: it took it and never said more, and the caller is still here.
	unsettled = verdict{"not settled", "noanswer"}
)

// verdictOf reads the SIP status of the call that a transfer led to (RFC 3515
// §2.4.5, RFC 3261 §21). A status without a row, and 0 for none, is a failure
// that the caller cannot mend.
func verdictOf(code int) verdict {
	switch code {
	case 486, 600:
		return busy
	case 408, 480, 487:
		return noAnswer
	case 404, 410, 484, 604:
		return unknown
	}
	switch {
	case code >= 200 && code < 300:
		return taken
	case code >= 100 && code < 200:
		return unsettled
	}
	return failed
}
