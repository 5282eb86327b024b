package media

import "time"

// Stats is what a stream has done since it was opened.
type Stats struct {
	Sent          uint64        // packets
	Failed        uint64        // packets that the kernel refused to send
	MaxLateness   time.Duration // of a packet sent
	Received      uint64        // packets of the caller
	Lost          uint64        // packets missing in the caller's sequence (RFC 3550 §A.3)
	Unproven      uint64        // packets of an encrypted call that are not of who has its key, or came twice
	DroppedDigits uint64        // keys that nobody read in time
}

// Stats tells what the stream has done so far.
func (s *Stream) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// count takes in one packet that left so late, or was refused.
func (s *Stats) count(late time.Duration, err error) {
	if err != nil {
		s.Failed++
		return
	}
	s.Sent++
	s.MaxLateness = max(s.MaxLateness, late)
}
