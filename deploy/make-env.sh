#!/bin/sh
# Write deploy/.env for compose.yaml, with a password for the database that nobody has ever seen.
#
#     deploy/make-env.sh chat.example.org
#
# It never writes over a file that is there: with another password the server could not open its
# own database.
set -eu
cd "$(dirname "$0")"

file=${ENV_FILE:-.env}
domain=${1:-}
case $domain in
    '' | *[!A-Za-z0-9.-]* | [.-]* | *[.-])
        printf 'Say under which name people will reach the server: %s chat.example.org\n' "$0" >&2
        exit 2 ;;
esac

if [ -e "$file" ]; then
    printf '%s is there already. Change it by hand, or move it away if its database is gone too.\n' \
        "$file" >&2
    exit 1
fi

umask 077
set -C  # Also refuses a file that appears only now.
password=$(od -An -N 24 -tx1 /dev/urandom | tr -d ' \n')
printf 'ALCOVE_DOMAIN=%s\nPOSTGRES_PASSWORD=%s\n' "$domain" "$password" > "$file"
printf 'Wrote %s. Only you can read it; keep it with your backups.\n' "$file"
