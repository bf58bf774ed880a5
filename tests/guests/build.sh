#!/usr/bin/env bash
# Builds the example suites in C, JavaScript and Python into target/guests/ (docs/components.md).
#   build.sh c | javascript | python    builds one, if its sources are newer; ends with 3 and says what to install when the tool is missing
#   build.sh all                        builds those whose tools are there
#   build.sh install                    fetches the tools of JavaScript and Python into target/guests/ (npm and pip; clang is a system package)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out="$root/target/guests"
mkdir -p "$out"

missing() {
  echo "$1" >&2
  exit 3
}

# Whether $1 is there and no older than the other files.
fresh() {
  local made=$1 source
  shift
  [ -e "$made" ] || return 1
  for source in "$@"; do [ "$made" -nt "$source" ] || return 1; done
}

first() {
  local name
  for name in "$@"; do if command -v "$name" >/dev/null; then echo "$name"; return; fi; done
}

# A core module; `terrarium suite wrap`, or the test, makes a component of it.
c() {
  local clang linker
  clang=$(first clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14)
  linker=$(first wasm-ld wasm-ld-19 wasm-ld-18 wasm-ld-17 wasm-ld-16 wasm-ld-15 wasm-ld-14)
  if [ -z "$clang" ] || [ -z "$linker" ]; then missing "clang and lld are missing (Debian: apt-get install clang lld)"; fi
  fresh "$out/stock.core.wasm" "$here/c/stock.c" && return
  "$clang" --target=wasm32 -std=c11 -O2 -mbulk-memory -fwrapv -ffreestanding -nostdlib -Wall -Wextra -Werror \
    -fuse-ld="$(command -v "$linker")" -Wl,--no-entry -Wl,-z,stack-size=65536 -o "$out/stock.core.wasm" "$here/c/stock.c"
}

javascript() {
  local tool="$out/npm/node_modules/.bin/componentize-qjs"
  command -v node >/dev/null && [ -x "$tool" ] || missing "componentize-qjs is missing (node 20, then tests/guests/build.sh install)"
  fresh "$out/ledger.wasm" "$here/javascript/ledger.js" "$here/javascript/ledger.wit" && return
  "$tool" --wit "$here/javascript/ledger.wit" --js "$here/javascript/ledger.js" --world suite --stub-wasi --sync \
    --output "$out/ledger.wasm" >&2
}

python() {
  local tool="$out/venv/bin/componentize-py"
  [ -x "$tool" ] || missing "componentize-py is missing (python3 with venv, then tests/guests/build.sh install)"
  fresh "$out/todo.wasm" "$here/python/todo_app.py" "$here/python/todo.wit" && return
  "$tool" --wit-path "$here/python/todo.wit" --world suite componentize --stub-wasi --python-path "$here/python" \
    --output "$out/todo.wasm" todo_app >&2
}

install() {
  npm install --prefix "$out/npm" --no-audit --no-fund componentize-qjs@0.4.5
  python3 -m venv "$out/venv"
  "$out/venv/bin/pip" install --quiet componentize-py==0.25.1
}

case ${1:-all} in
  c | javascript | python | install) "$1" ;;
  all) for language in c javascript python; do ("$language") || [ $? -eq 3 ]; done ;;
  *) echo "usage: $0 c | javascript | python | all | install" >&2; exit 2 ;;
esac
