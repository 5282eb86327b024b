package spool

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"

	"releve"
)

// The file is a header line and then records, each of:
//
//	mark      4 bytes  "RLVf"
//	length    4 bytes  of the payload
//	sequence  8 bytes  from 1, without a gap
//	durable   8 bytes  the last sequence fsynced before this one was written
//	checksum  4 bytes  CRC32C of the header line, the three numbers and the payload
//	payload            the fact as JSON
//
// Numbers are big endian. The header line carries the seat and the incarnation;
// it enters each checksum, so a record of another file is never taken for ours.
const (
	mark       = "RLVf"
	prefixSize = len(mark) + 4 + 8 + 8 + 4

	// maxFact bounds one record: a fact is a few hundred bytes, and a damaged
	// length must not make us reserve memory for it.
	maxFact = 1 << 20

	// maxRead bounds the records that are read at once: half of what an answer may hold.
	maxRead = 4 << 20

	// maxHeader bounds the header line, for the same reason.
	maxHeader = 4096
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is the first line of the file.
type header struct {
	Format      string      `json:"format"`
	Seat        releve.Seat `json:"seat"`
	Incarnation string      `json:"incarnation"`
}

const format = "releve-spool-1"

func (h header) line() ([]byte, error) {
	line, err := json.Marshal(h)
	return append(line, '\n'), err
}

// readHeader reads the header line and says how long it is.
func readHeader(r io.ReaderAt) (header, []byte, error) {
	var h header
	start := make([]byte, maxHeader)
	n, err := r.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return h, nil, err
	}
	line, _, ok := bytes.Cut(start[:n], []byte("\n"))
	if !ok || json.Unmarshal(line, &h) != nil || h.Format != format || h.Incarnation == "" {
		return h, nil, &releve.Fault{Cause: ErrDamaged, Why: releve.Say("spool-headless")}
	}
	line, err = h.line()
	if err != nil || !bytes.Equal(line, start[:min(n, len(line))]) { // JSON reads more than we write
		return h, nil, &releve.Fault{Cause: ErrDamaged, Why: releve.Say("spool-headless")}
	}
	return h, line, nil
}

// frame is one record as it stands in the file.
type frame struct {
	sequence uint64
	durable  uint64
	payload  []byte
}

func (f frame) size() int64 { return int64(prefixSize + len(f.payload)) }

// appendTo writes the frame behind b. seed is the checksum of the header line.
func (f frame) appendTo(b []byte, seed uint32) []byte {
	start := len(b)
	b = append(b, mark...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.payload)))
	b = binary.BigEndian.AppendUint64(b, f.sequence)
	b = binary.BigEndian.AppendUint64(b, f.durable)
	sum := crc32.Update(seed, castagnoli, b[start+len(mark):])
	sum = crc32.Update(sum, castagnoli, f.payload)
	b = binary.BigEndian.AppendUint32(b, sum)
	return append(b, f.payload...)
}

// errNoFrame says that no whole frame stands there.
var errNoFrame = errors.New("no whole record")

// readFrame reads the frame at offset at of a file of size bytes.
func readFrame(r io.ReaderAt, at, size int64, seed uint32) (frame, error) {
	var prefix [prefixSize]byte
	if at+int64(prefixSize) > size {
		return frame{}, errNoFrame
	}
	if _, err := r.ReadAt(prefix[:], at); err != nil {
		return frame{}, err
	}
	numbers := prefix[len(mark) : prefixSize-4]
	length := int64(binary.BigEndian.Uint32(numbers))
	end := at + int64(prefixSize) + length
	if string(prefix[:len(mark)]) != mark || length > maxFact || end > size {
		return frame{}, errNoFrame
	}
	f := frame{
		sequence: binary.BigEndian.Uint64(numbers[4:]),
		durable:  binary.BigEndian.Uint64(numbers[12:]),
		payload:  make([]byte, length),
	}
	if _, err := r.ReadAt(f.payload, at+int64(prefixSize)); err != nil {
		return frame{}, err
	}
	sum := crc32.Update(crc32.Update(seed, castagnoli, numbers), castagnoli, f.payload)
	if sum != binary.BigEndian.Uint32(prefix[prefixSize-4:]) {
		return frame{}, errNoFrame
	}
	return f, nil
}

// record decodes a frame. A payload that is not a fact (another version wrote
// it) keeps its bytes as the body of a fact without id: the database refuses it
// by itself, and the records behind it are not held up (R14).
func (f frame) record() releve.SpoolRecord {
	r := releve.SpoolRecord{Sequence: f.sequence}
	if err := json.Unmarshal(f.payload, &r.Fact); err != nil {
		r.Fact = releve.Fact{Body: f.payload}
	}
	return r
}
