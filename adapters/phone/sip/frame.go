package sip

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// A stream has no end of a message but the one that Content-Length gives (RFC 3261 §18.3). Whoever gets that wrong cannot
// be understood any more from there on: his connection ends.

var (
	errTooLong = fmt.Errorf("a message of more than %d bytes", maxMessage)
	errLengths = errors.New("a Content-Length that is no number, or two that differ")
	ping       = []byte("\r\n\r\n") // RFC 5626 §3.5.1
	pong       = []byte("\r\n")
	headEnd    = []byte("\r\n\r\n")
	noBody     = []byte("\r\nContent-Length: 0\r\n\r\n")
)

// framer cuts a stream into messages. Its memory is used again for the next.
type framer struct {
	in   *bufio.Reader
	text []byte
	// answer is called for each keep-alive that asks for an answer, begun when the first byte of a message is there.
	answer func()
	begun  func()
}

func newFramer(r io.Reader) *framer {
	return &framer{in: bufio.NewReaderSize(r, 16<<10), answer: func() {}, begun: func() {}}
}

// more says that something else came behind the last message already.
func (f *framer) more() bool { return f.in.Buffered() > 0 }

// next is the next message, whole, until next is called again.
func (f *framer) next() ([]byte, error) {
	if err := f.skip(); err != nil {
		return nil, err
	}
	f.begun()
	if err := f.head(); err != nil {
		return nil, err
	}
	length, said, err := bodyLength(f.text)
	if err != nil {
		return nil, err
	}
	if !said { // no body then: what says so would be missed by who reads after us
		f.text = append(f.text[:len(f.text)-len(headEnd)], noBody...)
	}
	head := len(f.text)
	if head+length > maxMessage {
		return nil, errTooLong
	}
	f.text = append(f.text, make([]byte, length)...)
	_, err = io.ReadFull(f.in, f.text[head:])
	return f.text, err
}

// skip passes over line ends between messages: keep-alives, and what some write behind a message.
func (f *framer) skip() error {
	for ends := 0; ; {
		b, err := f.in.Peek(1)
		if err != nil {
			return err
		}
		if b[0] != '\r' && b[0] != '\n' {
			return nil
		}
		if _, err := f.in.Discard(1); err != nil {
			return err
		}
		if ends++; ends == len(ping) {
			ends = 0
			f.answer()
		}
	}
}

// head reads up to the empty line, with it.
func (f *framer) head() error {
	f.text = f.text[:0]
	for {
		line, err := f.in.ReadSlice('\n')
		f.text = append(f.text, line...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return err
		case bytes.HasSuffix(f.text, headEnd):
			return nil
		}
		if len(f.text) > maxMessage {
			return errTooLong
		}
	}
}

// bodyLength reads Content-Length, in its long or compact form, of a header section.
func bodyLength(head []byte) (length int, said bool, err error) {
	for line := range bytes.SplitSeq(head, lineEnd) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimSpace(name); !same(name, "content-length") && !same(name, "l") {
			continue
		}
		n, wrong := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
		if wrong != nil || said && int(n) != length {
			return 0, false, errLengths
		}
		length, said = int(n), true
	}
	return length, said, nil
}
