#!/usr/bin/env bash
# Wherever an installation is killed, the image is as before or complete, and the next run leaves nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/install_lib.sh"

# after_kill WHERE: the image is as before or complete; the next run tidies up.
after_kill() {
    case $(names_of image.qcow2) in
    other:auto)
        as_before_at_least image.qcow2
        state=before
        "$install" carrier.qcow2 image.qcow2 || die "the next run after a kill at $1"
        ;;
    *)
        complete image.qcow2
        state=complete
        "$install" --replace carrier.qcow2 image.qcow2 || die "the next run after a kill at $1"
        ;;
    esac
    complete image.qcow2
    qemu-img check -q image.qcow2 || die "check after the next run, killed at $1"
    nothing_left
}

# The children of a killed run get SIGKILL from the kernel.  They worked in this folder, unlike those of other
# tests.
children_gone() {
    local pid
    for pid in $(pgrep 'qemu-storage-da|qemu-img'); do
        [ "$(readlink "/proc/$pid/cwd")" != "$scratch" ] || return 1
    done
}

for point in install.loaded install.proven publish.marked publish.clusters publish.refcounts publish.header; do
    cp plain.qcow2 image.qcow2
    status=0
    BITFERRY_FAIL_POINT=$point:kill "$install" carrier.qcow2 image.qcow2 2>/dev/null || status=$?
    equal 137 "$status" "exit status at fail point $point"
    wait_for 10 children_gone
    after_kill "$point"
    ok "killed at $point: $state, and the next run leaves nothing"
done

# And killed at every single write: QEMU's and everybody's first, then our own alone.
# kill_everywhere CALL STRACE-OPTION...: adds to $before and $complete.  (The leak detector of a sanitized
# build does not work under strace.)
kill_everywhere() {
    local call=$1 n
    shift
    for n in $(seq 1 100); do
        cp plain.qcow2 image.qcow2
        if ASAN_OPTIONS=detect_leaks=0 strace "$@" -qq -o /dev/null -e "trace=$call" -e "inject=$call:signal=KILL:when=$n" \
            "$install" carrier.qcow2 image.qcow2 >/dev/null 2>&1; then
            ok "killed at each of $((n - 1)) calls of $call"
            return
        fi
        wait_for 10 children_gone
        after_kill "call $n of $call"
        eval "$state=\$(($state + 1))"
    done
    die "the run never got to its end"
}

before=0
complete=0
kill_everywhere pwrite64 -f
[ "$before" -gt 2 ] || die "strace did not kill QEMU"
for call in pwrite64 fdatasync fsync ftruncate unlinkat rmdir; do
    kill_everywhere "$call"
done
ok "the image was $before times as before, $complete times complete"
[ "$before" -gt 5 ] && [ "$complete" -gt 5 ] || die "strace did not kill bitferry as it should"
