#!/bin/sh
# The whole job in one go: build, sign, verify, inspect, apply and roll back a small component.
# Everything it writes lies in a scratch folder, which it names.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cargo build --release --quiet --manifest-path "$root/Cargo.toml"
PATH="${CARGO_TARGET_DIR:-$root/target}/release:$PATH"
work=$(mktemp -d "${TMPDIR:-/tmp}/cumulate-demo.XXXXXX")
run() { printf '\n$ %s\n' "$*"; "$@"; }

cp -r "$here" "$work/lantern"
cd "$work"
run cumulate keygen --out release
run cumulate plan lantern
run cumulate build lantern -o lantern-1.0.3.cup --key release.key
run cumulate verify lantern-1.0.3.cup --pub release.pub --bases lantern/bases
run cumulate inspect lantern-1.0.3.cup
run cumulate check lantern-1.0.3.cup --config lantern/cumulate.toml

printf '\nAn administrator has 1.0.1 installed, with a port of their own:\n'
cp -r lantern/bases/1.0.1 installed
sed -i 's/7070/8080/' installed/conf/lantern.conf
run cumulate apply lantern-1.0.3.cup installed --pub release.pub
run cumulate status installed
run cumulate apply lantern-1.0.3.cup installed
run cumulate rollback installed
run cumulate status installed
printf '\nEverything is in %s\n' "$work"
