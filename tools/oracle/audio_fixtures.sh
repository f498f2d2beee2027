#!/bin/sh
# Makes the small encoded files of tests/audio with ffmpeg (5.1.9 made the committed ones). Run it from the project's root.
#
# The sound is known in closed form, so the tests need no decoded reference: one second (or what -t says) at 44,100 Hz
# of 0.5·sin(2π·440·t) left and 0.25·sin(2π·1000·t) right. The mono files hold the left one only;
# "low" is a quarter of a second of it at 8,000 Hz.
set -eu
here=tests/audio
stereo="aevalsrc=0.5*sin(2*PI*440*t)|0.25*sin(2*PI*1000*t):s=44100:d=1"
mono="aevalsrc=0.5*sin(2*PI*440*t):s=44100:d=1"
low="aevalsrc=0.5*sin(2*PI*440*t):s=8000:d=0.25"
make() { # source, file, encoder options
    source=$1 file=$2
    shift 2
    ffmpeg -v error -y -bitexact -f lavfi -i "$source" -flags +bitexact -fflags +bitexact -map_metadata -1 "$@" "$here/$file"
}
make "$mono" mono.flac -c:a flac -sample_fmt s16 -t 0.4
make "$stereo" stereo.flac -c:a flac -sample_fmt s16 -t 0.4
make "$stereo" stereo-cbr.mp3 -c:a libmp3lame -b:a 128k
make "$mono" mono-vbr.mp3 -c:a libmp3lame -q:a 2
make "$stereo" stereo.ogg -c:a libvorbis -q:a 6
make "$mono" mono.ogg -c:a libvorbis -q:a 6 -page_duration 200000 # several pages
make "$stereo" stereo.m4a -c:a aac -b:a 128k
make "$mono" mono.aac -c:a aac -b:a 96k
make "$low" mono-24bit.wav -c:a pcm_s24le
# Formats this engine does not read, for its error messages.
make "$mono" mono.opus -c:a libopus -b:a 16k -t 0.2
make "$low" mono.aiff -c:a pcm_s16be
make "$low" adpcm.wav -c:a adpcm_ms
