#!/usr/bin/env bash
#
# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
#
# Patches Ceilometer's sdist and runs there what its maintainers would: all
# unit tests, its style checks, its sample configuration and its docs.
#
# Usage: tools/upstream_test.sh FOLDER, within the tox environment upstream

set -euo pipefail
version=27.0.0
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mkdir -p "$1" && cd "$1" && pwd)
tree=$work/ceilometer-$version
log=$work/stestr.log
ours='(publisher\.graphite|test_pipeline_driver|test_throttle)\.'
export PBR_VERSION=$version SKIP_WRITE_GIT_CHANGELOG=1
export SKIP_GENERATE_AUTHORS=1 TMPDIR=$work/tmp PYTHONWARNINGS=ignore

say() {
    echo "== $*"
}

# With a git repository of its own, since pbr installs what git knows of.
unpack() {
    rm -rf "$tree" "$TMPDIR"
    mkdir "$TMPDIR"
    python -m pip download -q --no-deps --no-build-isolation \
        --no-binary ceilometer -d "$work" "ceilometer==$version"
    tar --no-same-owner -C "$work" -xf "$tree.tar.gz"
    cd "$tree"
    git init -q
    printf '%s\n' '*.egg-info' .stestr build >>.git/info/exclude
    git add .
    git -c user.name=test -c user.email=test@example.org \
        commit -q -m "Ceilometer $version"
    uv pip install -q -r requirements.txt -r test-requirements.txt \
        -r doc/requirements.txt
    python -m stestr init
}

check_style() {
    local changed python_files
    changed=$(git diff --name-only --diff-filter=AM HEAD)
    python_files=$(grep '\.py$' <<<"$changed")
    # shellcheck disable=SC2086
    {
        ruff check $python_files
        flake8 $python_files
        autopep8 $python_files
        codespell --ignore-words=doc/dictionary.txt $changed
        doc8 -q $(grep '\.rst$' <<<"$changed")
    }
    git diff --exit-code --stat
    git diff --check HEAD
}

# Ceilometer's own tests are all there, since no file of theirs is changed.
run_tests() {
    local count
    git diff --exit-code --diff-filter=a --stat HEAD -- ceilometer/tests
    if ! PYTHONPATH=$root/tools/upstream/site \
        python -m stestr run --concurrency 2 >"$log" 2>&1; then
        cat "$log"
        return 1
    fi
    count=$(grep -cE "^\{[01]\} .*$ours" "$log")
    echo "$count tests are of the patch"
    sed -n '/^Totals/,/^ - Failed/p' "$log"
}

# The options of both groups, each with its default.
options() {
    sed -n '/^\[ceilometer_pipeline\]/,/^\[/p; /^\[graphite\]/,/^\[/p' "$1" |
        grep '^#[a-z_]* ='
}

check_options() {
    oslo-config-generator \
        --config-file etc/ceilometer/ceilometer-config-generator.conf \
        --output-file "$work/ceilometer.conf"
    diff <(options "$root/etc/ceilometer-graphite.conf.sample") \
        <(options "$work/ceilometer.conf")
}

# Away from the tree, where only what was installed can be imported.
check_installed() (
    cd "$work"
    python - <<'END'
from importlib import metadata

from ceilometer.publisher.graphite import definitions

for group, name in (("ceilometer.sample.publisher", "graphite"),
                    ("oslo.messaging.notify.drivers", "ceilometer_pipeline")):
    entry_point, = metadata.entry_points(group=group, name=name)
    print("%s: %s is %s" % (group, name, entry_point.load()))
definitions.load()
END
)

say "Ceilometer $version"
unpack
say "Patching it"
"$root/tools/upstream_patch.sh" "$tree" | tail -n 1
git add .
git diff --shortstat HEAD
say "Style"
check_style
say "Installation, entry points and options"
uv pip install -q --no-deps .
check_installed
check_options
say "Documents"
reno -q lint
sphinx-build -q -W -b html doc/source "$work/html"
say "Unit tests, Ceilometer's and those of the patch"
run_tests
