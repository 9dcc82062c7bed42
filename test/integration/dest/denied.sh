#!/bin/bash
# A QEMU of another user that is not let into the folder of the carriers, as by AppArmor: the bitmaps are dropped,
# the machine runs, and people are told what to open.
. "$(dirname "$0")/../faults/lib.sh"

# The destination's QEMU runs as nobody
mkdir "$scratch/bin"
cat >"$scratch/bin/qemu-system-x86_64" <<EOT
#!/bin/bash
chmod 666 "$scratch"/*.qcow2 "$scratch"/*.pipe.* 2>/dev/null
[[ " \$* " != *" -incoming "* ]] ||
    exec setpriv --reuid 65534 --regid 65534 --clear-groups $(command -v qemu-system-x86_64) "\$@"
exec $(command -v qemu-system-x86_64) "\$@"
EOT
chmod 755 "$scratch/bin/qemu-system-x86_64"
chmod 777 "$scratch"
PATH=$scratch/bin:$PATH

begin_pair
mkdir -m 700 "$scratch/closed"
configure source
configure dest
sed -i "s|^carrier_dir.*|carrier_dir = $scratch/closed|" "$scratch/dest.conf"
begin_daemon source
begin_daemon dest
start_move
way_copy
order source wait "$leaving" --for installed --timeout 60 >/dev/null 2>&1 || true
way_migrate
way_complete
wait_for 30 is running run_state dest
wait_for 60 is committed state dest "$arriving"
equal "dropped LOAD_REFUSED,dropped LOAD_REFUSED" "$(order dest status --json "$arriving" | jq -r \
    '[.moves[0].bitmaps[] | "\(.outcome) \(.reason.message | split(":")[0])"] | join(",")')" "bitmaps"
equal 1 "$(order dest status --json "$arriving" | jq '[.moves[0].warnings[] |
    select(test("closed.*abstractions/libvirt-qemu"))] | length')" "warnings that tell what to do"
equal running "$(run_state dest)" "the guest"
equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "final names at the destination"
ok "what QEMU may not open is dropped, with the line that lets it"
