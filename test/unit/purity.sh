#!/bin/sh
# usage: purity.sh NM LIBRARY...
# Fail if a library that should be pure calls something that does I/O, knows the time, or belongs to a
# library that does.
set -eu

nm=$1
shift
forbidden='(uv|nbd|json|gnutls|nbdkit|pthread)_.*'
forbidden="$forbidden|(f|fd)?open(at)?(64)?|creat(64)?|p?(read|write)v?(64)?|(recv|send)(to|msg)?"
forbidden="$forbidden|socket(pair)?|connect|accept4?|bind|listen|poll|select|epoll_.*"
forbidden="$forbidden|clock_.*|time|gettimeofday|nanosleep|usleep|sleep|fork|execv.*|posix_spawn.*"

for library; do
    undefined=$("$nm" -u "$library")
    case $undefined in
    *strlen* | *strcmp* | *memcpy* | *memset*) ;;
    *) echo "$library: nm shows no calls at all, so this test shows nothing" >&2 && exit 1 ;;
    esac
    if printf '%s\n' "$undefined" | grep -E "[[:space:]](__)?($forbidden)(_2|_chk)?\$"; then
        echo "$library is not pure" >&2
        exit 1
    fi
done
