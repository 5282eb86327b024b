#!/bin/sh
# Speaks words.tsv into fr/NAME.wav and en/NAME.wav, as the prompts of the attendant are. Run it after a change.
exec "$(dirname "$0")/../../attendant/prompts/make.sh" "$(dirname "$0")"
