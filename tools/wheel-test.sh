#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the wheel, installs it in empty environments, and uses it from a folder where other people's packages of our
# folders' names come first on the path.
set -eu
cd "$(dirname "$0")/.."
limit=150 # MB of site-packages without extras, as the wheels bring them: pip adds 20 MB of byte code
unset PYTHONDONTWRITEBYTECODE # with it, building warns

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() {
    echo "wheel-test: $1" >&2
    exit 1
}
environment() { # FOLDER REQUIREMENT...: an environment with what is asked for, pip itself left out
    python3 -m venv --without-pip "$work/$1"
    pip_into="$work/$1/bin/python"
    shift
    $pip --python "$pip_into" install --quiet --disable-pip-version-check "$@"
}

# setup.sh has made .venv; its pip and its `build` do the work.
pip="$PWD/.venv/bin/python -m pip"
.venv/bin/python -W error::UserWarning -m build --outdir "$work/dist" . >"$work/build.log" 2>&1 || {
    cat "$work/build.log" >&2
    fail "the wheel cannot be built"
}
if grep -iE "warning|deprecated" "$work/build.log" >&2; then fail "building the wheel warns"; fi
wheel=$(echo "$work"/dist/*.whl)

.venv/bin/python - "$wheel" <<'PYTHON' || fail "the wheel does not hold what it must, or more"
import sys
import zipfile
from pathlib import Path

names = zipfile.ZipFile(sys.argv[1]).namelist()
others = {name.split("/")[0] for name in names} - {"sysmt"}
assert [name.endswith(".dist-info") for name in others] == [True], f"other top-level names: {others}"
tracked = {"hdl": "sysmt/hdl", "sim": "sysmt/sim", "boards": "sysmt/boards", "sysmt": "sysmt"}
missing = [
    str(path)
    for folder, place in tracked.items()
    for path in Path(folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
    and f"{place}/{path.relative_to(folder).as_posix()}" not in names
]
assert not missing, f"missing: {missing}"
PYTHON

# A user's folder: its own `tb`, `hdl`, `sim` and `boards`, which nothing of ours may import.
mkdir "$work/user"
cd "$work/user"
for name in tb hdl sim boards bench; do
    mkdir "$name"
    echo "raise ImportError('the package $name is the user\'s')" >"$name/__init__.py"
done
PYTHONPATH=$work/user
SYSMT_BUILD=${SYSMT_BUILD:-$work/build}
export PYTHONPATH SYSMT_BUILD

environment plain --no-compile "$wheel"
size=$(du -sm "$work"/plain/lib/python3*/site-packages | cut -f1)
[ "$size" -lt "$limit" ] || fail "without extras it takes $size MB, $limit at most"
bin="$work/plain/bin"
"$bin/sysmt" list >/dev/null
"$bin/sysmt" generate sysmt2_4 -o out >/dev/null
test -s out/sysmt2_4.v
"$bin/sysmt" cycles mobilenet_v2 --array 8x8 >/dev/null
"$bin/python" - <<'PYTHON'
import numpy as np
import sysmt

x, w = np.full((5, 8), 3, np.uint8), np.full((8, 6), -2, np.int8)
np.save("X.npy", x)
np.save("W.npy", w)
assert (sysmt.matmul(x, w).sums == -48).all()
sysmt.generate("tiny").write("out")
try:
    sysmt.simulate(x, w)
except sysmt.UserError as error:
    assert "pip install 'sysmt[cosim]'" in str(error), error
else:
    raise AssertionError("simulated without the extra")
PYTHON

$pip --python "$bin/python" install --quiet --disable-pip-version-check "$wheel[cosim]"
"$bin/sysmt" matmul X.npy W.npy -o O.npy --on rtl --rows 2 --cols 2 >/dev/null 2>&1 || fail "matmul --on rtl"
"$bin/python" -c "import numpy as np; assert (np.load('O.npy') == -48).all()"
echo "wheel-test: $(basename "$wheel") is good, $size MB without extras"
