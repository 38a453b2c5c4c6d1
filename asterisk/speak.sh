#!/usr/bin/env bash
# Speaks dialplans/sounds/texts-de.txt into dialplans/sounds/de/acd/NAME.alaw (8 kHz A-law, one channel, no header).
#
#   asterisk/speak.sh [NAME...]      all of them, or only these
#
# The results are kept in the tree, so nobody needs this at run time; run it after a text has changed. A town with a
# professional speaker replaces the files. Needs espeak-ng and sox, which it installs when they are missing.
# A line of the texts is NAME, a tab, the sentence; lines that begin with # do not count.
set -euo pipefail

sounds=$(cd "$(dirname "${BASH_SOURCE[0]}")/../dialplans/sounds" && pwd)
wanted=()
for tool in espeak-ng sox; do command -v "$tool" >/dev/null || wanted+=("$tool"); done
if ((${#wanted[@]})); then
    ((EUID == 0)) || { echo "please install ${wanted[*]}, or run this as root" >&2; exit 1; }
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${wanted[@]}"; } >&2
fi

mkdir -p "$sounds/de/acd"
raw=$(mktemp -d)
trap 'rm -rf "$raw"' EXIT
while IFS=$'\t' read -r name text; do
    [[ $name == '#'* || -z $text ]] && continue
    (($# == 0)) || [[ " $* " == *" $name "* ]] || continue
    [[ $name =~ ^[a-z0-9-]+$ ]] || { echo "not a good name for a prompt: $name" >&2; exit 1; }
    espeak-ng -v de -s 140 -g 2 -w "$raw/$name.wav" -- "$text" </dev/null
    # A telephone passes 300 to 3400 Hz; what lies outside would only eat level. Peak at -3 dB, so nothing clips.
    # -R and -D: no dithering noise and the same bytes at each run.
    sox -R -D "$raw/$name.wav" -r 8000 -c 1 "$raw/$name-8k.wav" \
        silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse gain -9 highpass 200 lowpass 3400 gain -n -3 pad 0.2 0.1
    sox -D "$raw/$name-8k.wav" -t al "$sounds/de/acd/$name.alaw"
done <"$sounds/texts-de.txt"
du -bc "$sounds"/de/acd/*.alaw | tail -n 1 | cut -f 1 | xargs printf '%s bytes of prompts\n' >&2
