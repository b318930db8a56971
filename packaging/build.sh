#!/usr/bin/env bash
# Makes what travels, in OUT (default dist): a wheel, the program as one static file, and as one folder.
#
#   OUT/airferry-VERSION-py3-none-any.whl
#   OUT/airferry                            runs on any Linux of this architecture; unpacks itself into $TMPDIR
#   OUT/airferry-VERSION-linux-ARCH/        the same, already unpacked: starts faster, needs no $TMPDIR
#   OUT/THIRD-PARTY-LICENCES.txt            of what both hold besides airferry; also in the folder
#
# Needs from Debian: python3-venv libpython3-dev binutils patchelf. PYTHON must be the distribution's own Python: one
# built elsewhere carries RUNPATH, which staticx refuses. The environment in build/ is made once and kept.
# The same source and the same environment give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-dist}
python=${PYTHON:-/usr/bin/python3}
venv=build/dist-venv
umask 022
export PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_QUIET=1
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 315532800)}

mkdir -p build
exec 9>build/.dist-lock
flock 9 # one build at a time

for program in objcopy objdump strip patchelf ldd; do
    command -v "$program" >/dev/null || { echo "packaging/build.sh: $program is missing" >&2; exit 1; }
done

key=$("$python" --version; sha256sum pyproject.toml)
if [ "$(cat "$venv/.made-from" 2>/dev/null)" != "$key" ]; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install hatchling
    "$venv/bin/pip" wheel --no-deps --no-build-isolation --wheel-dir build/first .
    "$venv/bin/pip" install "$(echo build/first/airferry-*.whl)[dist]"
    rm -r build/first
    printf '%s' "$key" >"$venv/.made-from"
fi
PATH=$PWD/$venv/bin:$PATH

mkdir -p "$out"
rm -rf "$out"/airferry "$out"/airferry-*
pip wheel --no-deps --no-build-isolation --wheel-dir "$out" .
pip install --no-deps --force-reinstall --no-index --find-links "$out" airferry

rm -rf build/forms build/work
pyinstaller --noconfirm --log-level ERROR --distpath build/forms --workpath build/work packaging/airferry.spec

python packaging/make_static.py build/forms/airferry "$out/airferry"
chmod 0755 "$out/airferry"

version=$("$out/airferry" --version)
folder=$out/airferry-${version#airferry }-linux-$(uname -m)
mv build/forms/folder "$folder"
install -m 0755 packaging/airferry.sh "$folder/airferry"
# The C library, its loader and its parts, as this Python uses them.
find "$folder" -type f \( -name '*.so' -o -name '*.so.*' -o -name airferry.bin \) -exec ldd {} + 2>/dev/null |
    grep -oE '/[^ ]*/(ld-linux[^ ]*|lib(c|m|dl|pthread|rt|util|resolv)\.so\.[0-9]+)' | sort -u |
    while read -r library; do install -m 0755 "$(readlink -f "$library")" "$folder/lib/${library##*/}"; done
python packaging/licences.py "$out/THIRD-PARTY-LICENCES.txt"
install -m 0644 "$out/THIRD-PARTY-LICENCES.txt" "$folder"
du -sh "$out"/airferry-*.whl "$out/airferry" "$folder"
