package sip

import (
	"sync"
	"time"
)

const (
	firstWary = time.Second
	mostWary  = 30 * time.Second
)

// wary keeps the questions to a PBX from looking like a scanner's where it challenges them with
// what cannot be answered: it would ban this address, and with it all calls. The pauses between
// them grow, and in each the last answer counts, for it came from somebody who lives.
type wary struct {
	mu    sync.Mutex
	last  *Response // the challenge; nil: there was none
	next  time.Time // when the PBX is asked again
	pause time.Duration
}

// answer is the answer that counts until the PBX is asked again; nil: it is to be asked now, by
// this caller alone.
func (w *wary) answer() *Response {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if w.last == nil || now.Before(w.next) {
		return w.last
	}
	w.next = now.Add(w.pause)
	return nil
}

// challenged takes in an answer that asks for what cannot be given. It returns the pause, and
// whether that is news.
func (w *wary) challenged(res *Response) (pause time.Duration, news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	news = w.last == nil
	w.pause = min(max(2*w.pause, firstWary), mostWary)
	w.last, w.next = res, time.Now().Add(w.pause)
	return w.pause, news
}

// clear takes in any other answer, and silence, which must be heard of as soon as ever.
func (w *wary) clear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.pause = nil, 0
}

// takenBack takes in that nobody waited for the answer: another is to wait for one soon.
func (w *wary) takenBack() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if soon := time.Now().Add(firstWary); soon.Before(w.next) {
		w.next = soon
	}
}
