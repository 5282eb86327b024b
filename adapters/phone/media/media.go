// Package media is the sound of calls: RTP (RFC 3550) with G.711, 20 ms a packet,
// plain or by SRTP (RFC 3711), keys by RFC 4733 or as sound, and the session descriptions (RFC 4566, RFC 3264) that agree on it.
//
// An [Engine] owns the ports and one sending loop for all calls; a [Stream] is one
// call's sound. The loop keeps absolute time: a packet that leaves late does not
// delay the next, so neither the sound nor the RTP timestamps ever stretch.
//
// Why not one goroutine with a time.Ticker for each call, which is the obvious way:
// a ticker drops the ticks it is late for, so on a loaded machine every prompt gets
// longer and the timestamps leave the clock for good. BenchmarkPacing200 shows both.
//
// Two streams are joined by [Carry], which puts what one hears into what the other says, in
// the same loop.
//
// What is absent: RTCP of our own (the other end's is only a sign of life), recording, and codecs other than G.711.
package media

import "time"

const (
	// sampleRate is G.711's, in samples a second; RTP timestamps count these too.
	sampleRate = 8000
	// packetTime is the sound in one packet: the default of RFC 3551 §4.5 for G.711.
	packetTime = 20 * time.Millisecond
	// packetSamples is packetTime in samples, which in G.711 are bytes.
	packetSamples = sampleRate / 50
)
