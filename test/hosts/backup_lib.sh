# shellcheck shell=bash
# Backups as a backup tool takes them from libvirt.  Source it behind domain_lib.sh.

: "${HOSTS_ADDRESS_A:?}"

# checkpoint_xml NAME
checkpoint_xml() {
    printf '<domaincheckpoint><name>%s</name></domaincheckpoint>\n' "$1"
}

# backup_xml FILE SINCE TARGET...: FILE-TARGET.qcow2 for each disk; SINCE is a checkpoint or ''
backup_xml() {
    local file=$1 since=$2 target
    shift 2
    printf "<domainbackup mode='push'>%s<disks>\n" "${since:+<incremental>$since</incremental>}"
    for target in "$@"; do
        printf "<disk name='%s' type='file'><driver type='qcow2'/><target file='%s-%s.qcow2'/></disk>\n" \
            "$target" "$file" "$target"
    done
    printf '</disks></domainbackup>\n'
}

# backup_ended HOST NAME: its verdict is put into the shared folder (libvirt tells it once)
backup_ended() {
    hosts_run "$1" virsh -q domjobinfo "$2" --completed >"$HOSTS/shared/verdict"
    grep -q 'Operation: *Backup' "$HOSTS/shared/verdict"
}

# backup_push HOST NAME FILE SINCE CHECKPOINT TARGET...: a backup since SINCE ('': full) into
# FILE-TARGET.qcow2, together with a new checkpoint ('': none), until it is complete.
backup_push() {
    local host=$1 name=$2 file=$3 since=$4 checkpoint=$5 target
    shift 5
    for target in "$@"; do
        hosts_run "$host" rm -f "$file-$target.qcow2"
    done
    backup_xml "$file" "$since" "$@" >"$HOSTS/shared/backup.xml"
    checkpoint_xml "$checkpoint" >"$HOSTS/shared/checkpoint.xml"
    backup_ended "$host" "$name" || true # forget the last one's
    hosts_run "$host" virsh -q backup-begin "$name" "$SHARED/backup.xml" \
        ${checkpoint:+"$SHARED/checkpoint.xml"} >/dev/null || return
    wait_for 60 backup_ended "$host" "$name"
    grep -q 'Job type: *Completed' "$HOSTS/shared/verdict" ||
        hosts_fail "the backup of $name was not completed: $(cat "$HOSTS/shared/verdict")"
}

# backup_restores HOST DISK FULL INCREMENTAL...: full and incrementals in their order are the disk, byte
# for byte.  Its domain must be shut off or paused.
backup_restores() {
    local host=$1 disk=$2 below=$3 layer
    shift 3
    for layer in "$@"; do
        hosts_run "$host" qemu-img rebase -q -u -f qcow2 -b "$below" -F qcow2 "$layer"
        below=$layer
    done
    hosts_run "$host" qemu-img compare -q -U "$below" "$disk"
}

# backup_pull HOST NAME FILE SINCE TARGET: read what has changed since the checkpoint over NBD, and write it
# into FILE, which is the last backup
backup_pull() {
    local host=$1 name=$2 file=$3 since=$4 target=$5
    cat >"$HOSTS/shared/pull.xml" <<-EOT
	<domainbackup mode='pull'><incremental>$since</incremental>
	  <server transport='unix' socket='/run/pull.sock'/>
	  <disks><disk name='$target' backup='yes' type='file' exportname='pull' exportbitmap='changed'>
	    <driver type='qcow2'/><scratch file='$file.scratch'/></disk></disks>
	</domainbackup>
	EOT
    hosts_run "$host" rm -f "$file.scratch"
    hosts_run "$host" virsh -q backup-begin "$name" "$SHARED/pull.xml" >/dev/null || return
    pull_changed "$host" "$file"
    hosts_run "$host" virsh -q domjobabort "$name" # so a pull ends
}

# pull_changed HOST FILE
pull_changed() {
    local offset length uri='nbd+unix:///pull?socket=/run/pull.sock'
    hosts_run "$1" nbdinfo --map=qemu:dirty-bitmap:changed --json "$uri" |
        jq -r '.[] | select(.type == 1) | "\(.offset) \(.length)"' >"$HOSTS/shared/changed"
    [ -s "$HOSTS/shared/changed" ] || hosts_fail "nothing has changed" || return
    while read -r offset length; do
        hosts_run "$1" qemu-img convert -n \
            --image-opts "driver=raw,offset=$offset,size=$length,file.driver=nbd,file.export=pull,file.path=/run/pull.sock" \
            --target-image-opts "driver=raw,offset=$offset,size=$length,file.driver=qcow2,file.file.driver=file,file.file.filename=$2" \
            </dev/null || return
    done <"$HOSTS/shared/changed"
}
