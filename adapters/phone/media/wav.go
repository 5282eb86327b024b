package media

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrWAV says that a sound file is not one that can be played to a caller.
var ErrWAV = errors.New("not a sound file that can be played")

// convert is what the reader of an error is told to do next.
const convert = "convert it with: sox FILE -r 8000 -c 1 -b 16 -e signed-integer OUT.wav"

const (
	wavPCM        = 1
	wavFormatSize = 16 // of the part of the fmt chunk that every form has
	riffHeader    = 12
	chunkHeader   = 8
)

// ParseWAV reads a RIFF WAVE file of 16-bit linear samples, mono, 8 kHz. Its errors
// are [ErrWAV]; they say what the file is instead, and how to convert it.
func ParseWAV(file []byte) (Clip, error) {
	if len(file) < riffHeader || string(file[:4]) != "RIFF" || string(file[8:riffHeader]) != "WAVE" {
		return Clip{}, fmt.Errorf("%w: it is not a WAV file; %s", ErrWAV, convert)
	}
	format, err := chunk(file[riffHeader:], "fmt ")
	if err != nil {
		return Clip{}, err
	}
	if err := checkFormat(format); err != nil {
		return Clip{}, err
	}
	data, err := chunk(file[riffHeader:], "data")
	if err != nil {
		return Clip{}, err
	}
	if len(data) < 2 {
		return Clip{}, fmt.Errorf("%w: it holds no sound; record it again", ErrWAV)
	}
	return FromPCM(samples(data)), nil
}

// chunk finds a chunk by name. A chunk of odd length is followed by a byte of padding.
func chunk(chunks []byte, name string) ([]byte, error) {
	for len(chunks) >= chunkHeader {
		size := int64(binary.LittleEndian.Uint32(chunks[4:]))
		body := chunks[chunkHeader:]
		if size > int64(len(body)) {
			return nil, fmt.Errorf("%w: it is cut off: %d bytes announced, %d there; copy it again", ErrWAV, size, len(body))
		}
		if string(chunks[:4]) == name {
			return body[:size], nil
		}
		chunks = body[min(size+size%2, int64(len(body))):]
	}
	return nil, fmt.Errorf("%w: its %q part is missing; %s", ErrWAV, name, convert)
}

func checkFormat(format []byte) error {
	if len(format) < wavFormatSize {
		return fmt.Errorf("%w: its format is cut off; %s", ErrWAV, convert)
	}
	encoding := binary.LittleEndian.Uint16(format)
	channels := binary.LittleEndian.Uint16(format[2:])
	rate := binary.LittleEndian.Uint32(format[4:])
	bits := binary.LittleEndian.Uint16(format[14:])
	if encoding != wavPCM || channels != 1 || rate != sampleRate || bits != 16 {
		return fmt.Errorf("%w: encoding %d, %d channel(s), %d Hz, %d bits; "+
			"needed are encoding 1 (PCM), 1 channel, %d Hz, 16 bits; %s",
			ErrWAV, encoding, channels, rate, bits, sampleRate, convert)
	}
	return nil
}

func samples(data []byte) []int16 {
	pcm := make([]int16, len(data)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
	}
	return pcm
}
