#!/bin/bash
# pairs.sh DIR: lays out DIR/NAME/{old,new}, pairs of released files of further kinds, by package name and version from the
# npm registry and PyPI, beside those of shared/corpus/delta-pairs.sh. About 300 MB.
set -euo pipefail
D=$(realpath -m "$1"); mkdir -p "$D/dl"; cd "$D/dl"
put() { mkdir -p "$D/$1"; cp "$2" "$D/$1/old"; cp "$3" "$D/$1/new"; }
# NAME PACKAGE OLD NEW FILE (`-`: the archive itself)
npm_pair() {
  local side=()
  for v in "$3" "$4"; do
    local d; d=$(tr '@/' '__' <<<"$2")-$v
    [ -d "$d" ] || { rm -rf "$d.tmp"; mkdir "$d.tmp"; (cd "$d.tmp"; npm pack --silent "$2@$v" >/dev/null; mv ./*.tgz pkg.tgz; tar xzf pkg.tgz); mv "$d.tmp" "$d"; }
    [ "$5" = - ] && side+=("$d/pkg.tgz") || side+=("$d/package/$5")
  done
  put "$1" "${side[@]}"
}
# NAME PACKAGE OLD NEW: the wheels
wheel_pair() {
  local side=()
  for v in "$3" "$4"; do
    local d=$2-$v-wheel
    [ -d "$d" ] || { rm -rf "$d.tmp"; mkdir "$d.tmp"; python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: --platform manylinux2014_x86_64 --python-version 3.11 -d "$d.tmp" "$2==$v"; mv "$d.tmp" "$d"; }
    side+=("$(echo "$d"/*.whl)")
  done
  put "$1" "${side[@]}"
}
npm_pair esbuild-mac-arm64 @esbuild/darwin-arm64 0.25.9 0.25.10 bin/esbuild
npm_pair esbuild-x86 @esbuild/linux-ia32 0.25.9 0.25.10 bin/esbuild
npm_pair esbuild-arm @esbuild/linux-arm 0.25.9 0.25.10 bin/esbuild
npm_pair esbuild-riscv64 @esbuild/linux-riscv64 0.25.9 0.25.10 bin/esbuild
npm_pair esbuild-wasm esbuild-wasm 0.25.9 0.25.10 esbuild.wasm
npm_pair esbuild-tgz @esbuild/linux-x64 0.25.9 0.25.10 -
npm_pair rollup-mac-arm64 @rollup/rollup-darwin-arm64 4.50.0 4.50.1 rollup.darwin-arm64.node
npm_pair rollup-mac-x64 @rollup/rollup-darwin-x64 4.50.0 4.50.1 rollup.darwin-x64.node
npm_pair rollup-win-x64 @rollup/rollup-win32-x64-msvc 4.50.0 4.50.1 rollup.win32-x64-msvc.node
npm_pair rollup-win-x86 @rollup/rollup-win32-ia32-msvc 4.50.0 4.50.1 rollup.win32-ia32-msvc.node
npm_pair rollup-arm @rollup/rollup-linux-arm-gnueabihf 4.50.0 4.50.1 rollup.linux-arm-gnueabihf.node
npm_pair vips-x64 @img/sharp-libvips-linux-x64 1.2.0 1.2.1 lib/libvips-cpp.so.8.17.1
npm_pair vips-win-x64 @img/sharp-win32-x64 0.34.3 0.34.4 lib/libvips-42.dll
npm_pair lmdb-debug @lmdb/lmdb-linux-x64 3.4.1 3.4.2 node.abi115.glibc.node
npm_pair fsevents-universal fsevents 2.3.2 2.3.3 fsevents.node
wheel_pair ruff-whl ruff 0.12.1 0.12.2
wheel_pair pydantic-whl pydantic_core 2.27.1 2.27.2
