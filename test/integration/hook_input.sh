#!/bin/bash
# Whatever libvirt's XML is, or someone else's: the hook ends with 0, quickly, reads no more than it needs,
# and asks neither network nor files for anything.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hook_lib.sh"

printf 'secret\n' >"$scratch/secret"
mkdir "$scratch/xml"
cd "$scratch/xml"
: >empty
printf 'hello' >text
head -c 100000 /dev/urandom >random
printf '<domain><uuid>' >torn
printf '<domain><uuid>%s</uuid>' "$(head -c 500000 /dev/zero | tr '\0' 1)" >long-uuid
printf '<domain><uuid>../../etc/passwd</uuid></domain>' >no-uuid
printf '<domain><a><uuid>%s</uuid></a></domain>' $uuid >deep-uuid
printf '<other><uuid>%s</uuid></other>' $uuid >other-root
head -c 900000 < <(yes '<a>') >deep
{ printf '<domain '; seq -f "a%.0f='x'" 50000; printf '/>'; } >attributes
{ printf '<domain><!-- '; head -c 100000000 /dev/zero | tr '\0' a; printf ' --></domain>'; } >huge
cat >bomb <<'EOT'
<?xml version="1.0"?>
<!DOCTYPE domain [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">
<!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;">]>
<domain name="&e;"><uuid>&e;</uuid></domain>
EOT
cat >external-file <<EOT
<?xml version="1.0"?>
<!DOCTYPE domain [<!ENTITY x SYSTEM "file://$scratch/secret">]>
<domain><uuid>&x;</uuid></domain>
EOT
cat >external-network <<'EOT'
<?xml version="1.0"?>
<!DOCTYPE domain SYSTEM "http://127.0.0.1:9/domain.dtd" [<!ENTITY % x SYSTEM "http://127.0.0.1:9/"> %x;]>
<domain><uuid>1</uuid></domain>
EOT
iconv -f UTF-8 -t UTF-16 external-file >external-utf16
cat >undeclared <<'EOT'
<domain><uuid>&x;11111111-2222-3333-4444-555555555555</uuid></domain>
EOT

# Nothing of this is a domain: no daemon is told of it, so none is asked, not even in vain.
for file in *; do
    # The hook moves this shell's place in the file.
    exec {input}<"$file"
    called migrate begin <&"$input"
    position=$(awk '/^pos:/ { print $2 }' "/proc/$$/fdinfo/$input")
    exec {input}<&-
    [ "$position" -le $((1 << 20)) ] || die "$file: $position bytes were read"
    equal "" "$(cat "$scratch/said")" "what it says to $file"
    from_file() {
        called migrate begin <"$file"
    }
    quick from_file
done
ok "$(printf '%s\n' * | wc -l) hostile inputs: 0, quickly, nothing printed, at most 1 MiB read"

for file in bomb external-file external-network external-utf16; do
    traced %network,openat migrate begin <"$file"
    ! grep -qE 'socket|connect' "$scratch/trace" || die "$file: a socket is opened: $(cat "$scratch/trace")"
    ! grep -q "$scratch" "$scratch/trace" || die "$file: a file is opened: $(cat "$scratch/trace")"
    grep -q openat "$scratch/trace" || die "strace saw nothing"
done
ok "no entity is fetched"

mkfifo "$scratch/fifo"
exec {never}<>"$scratch/fifo"
silent() {
    called migrate begin <&"$never"
}
quick silent
printf '<domain>' >&"$never"
quick silent
exec {never}<&-
ok "XML that does not come, or does not end"

for arguments in '' 'web' 'web migrate' 'web fly away -' 'web migrate end -' 'web release begin -'; do
    # shellcheck disable=SC2086 # words
    printed=$("$hook" $arguments <huge) || die "'$arguments': exit status $?"
    equal "" "$printed" "printed by '$arguments'"
done
"$hook" "$(head -c 100000 /dev/zero | tr '\0' v)" migrate begin - <<<"$domain" 2>/dev/null || die "long name: $?"
"$hook" web migrate begin - <&- 2>/dev/null || die "without stdin: $?"
"$hook" web migrate begin - <<<"$domain" >&- 2>&- || die "without stdout: $?"
ok "unknown operations, too few arguments, closed descriptors"
