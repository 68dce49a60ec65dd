#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Creates .venv and installs the project with what it needs; names a missing system tool with its package.
set -eu
cd "$(dirname "$0")/.."

need() {
    command -v "$1" >/dev/null 2>&1 || { echo "setup: $1 is missing: sudo apt-get install $2" >&2; exit 2; }
}
need python3 python3
need g++ g++
need make make
need perl perl
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "setup: python3 must be 3.10 or newer, not $(python3 -V 2>&1): install a newer python3" >&2
    exit 2
}
python3 -c 'import ensurepip, venv' 2>/dev/null || {
    echo "setup: python3-venv is missing: sudo apt-get install python3-venv" >&2
    exit 2
}

[ -x .venv/bin/python ] || python3 -m venv .venv
echo "setup: installing into .venv (about a minute the first time)" >&2
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
touch .venv/ready
