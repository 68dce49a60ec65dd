#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Checks types with mypy (settings in pyproject.toml). mypy finds packages by folder, so it is shown the tree as it is
# installed: a folder `sysmt` of links.
set -eu
cd "$(dirname "$0")/.."
tree=build/types/sysmt
rm -rf "$tree"
mkdir -p "$tree"
for part in sysmt/* hdl sim boards; do
    case "$part" in */__pycache__) ;; *) ln -s "$PWD/$part" "$tree/$(basename "$part")" ;; esac
done
mypy="$PWD/.venv/bin/mypy"
cd build/types
exec "$mypy" --config-file ../../pyproject.toml -p sysmt "$@"
