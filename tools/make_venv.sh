#!/bin/sh
# Make a virtual environment with pip, also where Debian's python3-venv is not installed:
# pip then comes out of Debian's own wheel package, unpacked here and not installed.
# usage: make_venv.sh PYTHON DIR
set -eu
python=$1 venv=$2

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "ten needs Python 3.11 or later; '$python' is not. Try: make PYTHON=python3.11" >&2
    exit 1
}
"$python" -m venv "$venv" >/dev/null 2>&1 && exit 0
rm -rf "$venv"
"$python" -m venv --without-pip "$venv"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch() { (cd "$work" && apt-get download -q python3-pip-whl >/dev/null 2>&1); }
if ! fetch; then
    [ "$(id -u)" = 0 ] && apt-get update -q >/dev/null 2>&1 && fetch || {
        rm -rf "$venv"
        echo "This Python has no pip. Install it: sudo apt-get install python3-venv" >&2
        exit 1
    }
fi
dpkg -x "$work"/python3-pip-whl*.deb "$work/whl"
wheel=$(echo "$work"/whl/usr/share/python-wheels/pip-*.whl)
"$venv/bin/python" "$wheel/pip" install -q --no-index --find-links "${wheel%/*}" pip
