#!/bin/bash
# serve: nbdkit with our plugin, and nothing of it left afterwards.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_lib.sh"

image=$scratch/vda.qcow2
dirty_image "$image" 64M monday 64k 0 1M
cp "$image" "$scratch/vdb.qcow2"

gone() { ! kill -0 "$1" 2>/dev/null; }

for signal in TERM INT HUP; do
    serve_bitmaps "$image"
    nbdinfo --list "$uri" | grep -qF 'export="vda/monday"' || die "no export"
    nbdkit=$(pgrep -P "$server")
    kill -"$signal" "$server"
    wait "$server" || die "exit status $? after SIG$signal"
    gone "$nbdkit" || die "nbdkit is still there after SIG$signal"
    clean_temp
done
ok "a signal ends it with status 0, nbdkit, socket and folder gone"

serve_bitmaps "$image"
nbdkit=$(pgrep -P "$server")
kill -KILL "$server"
wait "$server" 2>/dev/null || true
wait_for 10 gone "$nbdkit"
rm -r "$TMPDIR"/bitferry-*
ok "nbdkit does not outlive it, however it ends"

serve_bitmaps "$image"
kill -KILL "$(pgrep -P "$server")"
status=0
wait "$server" 2>/dev/null || status=$?
equal 1 "$status" "exit status when nbdkit dies"
clean_temp
ok "it does not go on without nbdkit"

serve_bitmaps --socket "$scratch/here" "$image"
equal "nbd+unix:///?socket=$scratch/here" "$uri" "URI of --socket"
equal srwx------ "$(stat -c %A "$scratch/here")" "mode of the socket"
fails_with 1 "exists already" "$BITFERRY" serve --socket "$scratch/here" "$image" --run true
[ -S "$scratch/here" ] || die "another's socket was removed"
stop_serving
[ ! -e "$scratch/here" ] || die "the socket is still there"
(
    cd "$scratch"
    "$BITFERRY" serve --socket 'a b&c' "$image" \
        --run 'nbdinfo --list "$uri" >/dev/null && test "$unixsocket" = "$PWD/a b&c"'
) || die "a path that a URI must encode"
ok "--socket"

said=$("$BITFERRY" serve "$image" --run 'nbdinfo --list "$uri"; echo "$unixsocket|$port|$exportname|${tls-unset}|$nbd"')
grep -qF 'export="vda/monday"' <<<"$said" || die "--run: $said"
grep -qE "^$TMPDIR/bitferry-[^/]+/socket\|\|\|unset\|nbd\+unix:///\?socket=/" <<<"$said" || die "--run: $said"
fails_with 7 . "$BITFERRY" serve "$image" --run 'echo seven; exit 7'
fails_with 143 . "$BITFERRY" serve "$image" --run 'echo term; kill $$'
clean_temp
run_child "$BITFERRY" serve "$image" --run "exec sleep 1000"
running() { command=$(pgrep -P "$child" -x sleep); }
wait_for 30 running
kill "$child"
status=0
wait "$child" || status=$?
equal 143 "$status" "exit status after SIGTERM"
gone "$command" || die "the command is still there"
clean_temp
ok "--run gives uri and the rest, and returns the command's status"

said=$("$BITFERRY" serve --port 0 "$image" --run 'echo "$uri"; nbdinfo --size "${uri}vda/monday"; ss -Htln "sport = :$port"')
grep -qE '^nbd://localhost:[0-9]+/$' <<<"$said" || die "--port 0: $said"
! grep -qE '0\.0\.0\.0:[1-9]|\*:[1-9]|\[::\]:[1-9]' < <(awk '/LISTEN/ { print $4 }' <<<"$said") || die "listens on all: $said"
grep -qE 'LISTEN.* (127\.0\.0\.1|\[::1\]):' <<<"$said" || die "does not listen: $said"
for address in 0.0.0.0 ::; do
    fails_with 2 "without TLS everyone" "$BITFERRY" serve --listen "$address" --port 0 "$image" --run true
done
"$BITFERRY" serve --listen 0.0.0.0 --port 0 --allow-plain "$image" --run 'nbdinfo --list "nbd://127.0.0.1:$port/" >/dev/null'
"$BITFERRY" serve --port 0 "$image" --run "'$BITFERRY' serve --port \$port '$image' --run true || exit 9" 2>"$scratch/said" &&
    die "two servers on one port"
grep -q 'Address already in use' "$scratch/said" || die "said: $(cat "$scratch/said")"
fails_with 2 "not go with" "$BITFERRY" serve --socket "$scratch/s" --port 0 "$image" --run true
ok "TCP is on loopback addresses only, unless one insists"

run_child "$BITFERRY" serve --json --name one --name two "$image" "$scratch/vdb.qcow2" --bitmap monday >"$scratch/announced"
wait_for 30 jq -se '.[0].uri' "$scratch/announced" >/dev/null
nbdinfo --list "$(jq -r .uri "$scratch/announced")" >"$scratch/list"
equal $'export="one/monday":\nexport="two/monday":' "$(grep ^export= "$scratch/list")" exports
[ -S "$(jq -r .socket "$scratch/announced")" ] || die "the socket is not named"
kill "$child"
wait "$child"
fails_with 2 "once for each of the 2" "$BITFERRY" serve --name one "$image" "$scratch/vdb.qcow2" --run true
fails_with 15 "not a qcow2 image" "$BITFERRY" serve "$0" --run true
fails_with 1 "cannot run $scratch/none" "$BITFERRY" serve --nbdkit "$scratch/none" "$image" --run true
fails_with 1 "nbdkit could not start.*friday" "$BITFERRY" serve "$image" --bitmap friday --run true
clean_temp
ok "names, choices and refusals"

mkdir "$scratch/carriers"
cp "$image" "$scratch/carriers/sda.carrier.qcow2"
"$BITFERRY" serve "$scratch/carriers" --run 'nbdinfo --list "$uri"' | grep -qF 'export="sda/monday"' || die "folder"
qemu-img create -q -f qcow2 "$scratch/target.qcow2" 64M
qemu-img bitmap --add "$scratch/target.qcow2" monday
"$BITFERRY" serve "$image" --run "qemu-img bitmap --merge monday -F qcow2 \
    -b \"nbd+unix:///vda/monday.qcow2?socket=\$unixsocket\" '$scratch/target.qcow2' monday"
equal "$(qemu_digest "$image" monday)" "$(qemu_digest "$scratch/target.qcow2" monday)" "digest after the merge"
ok "QEMU's tools read what it serves"
