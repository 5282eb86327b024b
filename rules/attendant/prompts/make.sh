#!/bin/sh
# Speaks words.tsv, of this directory or of the one that is named, into fr/NAME.wav and en/NAME.wav: 8 kHz, mono, 16 bits, as package
# media plays them. The sound files are kept in the repository, so that building needs
# neither tool; run this after a change of words.tsv. Debian: espeak-ng, sox.
set -eu
cd "${1:-$(dirname "$0")}"

for tool in espeak-ng sox; do
	command -v "$tool" >/dev/null || { echo "make.sh: $tool is missing; install Debian's package $tool" >&2; exit 1; }
done

spoken=$(mktemp -d)
trap 'rm -rf "$spoken"' EXIT

# speak LANGUAGE VOICE NAME WORDS
# What a telephone cannot carry is filtered out before the level is set, or it would
# take part of it. Every prompt then peaks at the same -3 dB and has silence around it.
speak() {
	espeak-ng -b 1 -v "$2" -s 150 -w "$spoken/$3.wav" -- "$4"
	mkdir -p "$1"
	sox -R "$spoken/$3.wav" -r 8000 -c 1 -b 16 -e signed-integer "$1/$3.wav" \
		sinc 200-3400 silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse norm -3 pad 0.1 0.2
}

tab=$(printf '\t')
while IFS="$tab" read -r name french english; do
	speak fr fr "$name" "$french"
	speak en en-gb "$name" "$english"
done <words.tsv
