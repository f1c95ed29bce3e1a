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
# Installs what the tests need and runs all of them: style, unit tests, sample
# configuration, documentation, functional tests with a real agent, guests and
# Carbon, and a short form of the benchmarks. As root it also installs the
# packages of bindep.txt. Otherwise it names the missing packages, and tests
# that need them are skipped.
#
# Usage: tools/test.sh [all | TOX ENVIRONMENT ...]
#
# "all" adds the matrix of releases and Pythons, the patch series for
# Ceilometer, and the soak. It takes hours.

set -euo pipefail
cd "$(dirname "$0")/.."
# The longest comes first, and runs beside the others, because it mostly waits.
environments="functional pep8 py3 ceilometer17 genconfig docs releasenotes \
benchmarks"
case ${1:-} in
    "") ;;
    all) environments="$environments upstream long" ;;
    *) environments=$* ;;
esac
# These need no packages of the distribution.
light="pep8 genconfig docs releasenotes upstream"
tools=.tox/bin

say() {
    echo "== $*"
}

find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11 python3.10; do
        if "$name" -c \
            'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
        then
            echo "$name"
            return
        fi
    done
    echo "tools/test.sh needs Python 3.10 or later" >&2
    return 1
}

can_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

install() {
    say "Installing $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
        --no-install-recommends "$@" >/dev/null
}

# Debian's Python needs python3-venv to make a virtual environment.
install_tools() {
    local python
    python=$(find_python)
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        if ! can_install; then
            echo "$python has no ensurepip: install python3-venv" >&2
            return 1
        fi
        install python3-venv
    fi
    say "Installing tox and bindep into $tools"
    "$python" -m venv --clear "$tools"
    "$tools/bin/pip" install -q --disable-pip-version-check \
        'bindep>=2.11' 'setuptools<81' 'tox>=4' 'tox-uv>=1.11'
}

# bindep fails with the names of missing packages, or without names on errors.
install_packages() {
    local missing
    missing=$("$tools/bin/bindep" -b test) || [ -n "$missing" ]
    if [ -z "$missing" ]; then
        return
    fi
    if can_install; then
        # shellcheck disable=SC2086
        install $missing
    else
        say "Missing packages, whose tests are skipped:" $missing
    fi
}

run_tox() {
    rm -f .tox/result.json
    # Without it, tox in CI lists dependencies and prints output of passing tests.
    "$tools/bin/tox" run-parallel --parallel 2 --parallel-no-spinner \
        --no-list-dependencies --result-json .tox/result.json -e "$@"
}

failed_environments() {
    # shellcheck disable=SC2086
    "$tools/bin/python" - .tox/result.json $environments <<'END'
import json
import sys

with open(sys.argv[1]) as text:
    ran = json.load(text)["testenvs"]
print(*(name for name in sys.argv[2:]
        if not ran.get(name, {}).get("result", {}).get("success")))
END
}

show_failures() {
    .tox/functional/bin/stestr --repo-url .tox/functional/tmp failing "$@" ||
        true
}

# Functional tests and benchmarks run real processes with timeouts of seconds,
# and a busy machine may stop for as long. So what fails runs once more, alone.
# All other environments are deterministic.
run_again() {
    local modules
    case $1 in
        functional)
            show_failures
            modules=$(show_failures --list |
                grep -o 'tests\.functional\.test_[a-z_]*' | sort -u)
            say "Once more, alone:" $modules
            # shellcheck disable=SC2086
            run_tox functional -- $modules
            ;;
        benchmarks)
            say "Once more, alone: benchmarks"
            run_tox benchmarks
            ;;
        *)
            say "Failed: $1"
            return 1
            ;;
    esac
}

needs_packages() {
    local environment
    for environment in $environments; do
        case " $light " in
            *" $environment "*) ;;
            *) return 0 ;;
        esac
    done
    return 1
}

if ! [ -x "$tools/bin/tox" ]; then
    install_tools
fi
if needs_packages; then
    install_packages
fi
say "Running $environments"
if ! run_tox "${environments// /,}"; then
    failed=$(failed_environments)
    [ -n "$failed" ]
    for environment in $failed; do
        run_again "$environment"
    done
fi
