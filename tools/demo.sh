#!/usr/bin/env bash
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

# Installs what the demonstration needs into one folder, and runs it.
# tools/demo.sh --help lists its options.

set -Eeuo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
directory=$root/.demo
packages=(-e "$root" carbon whisper graphite-web)
apt_packages=(libcairo2 fonts-dejavu-core)

find_python() {
    local name
    for name in python3.11 python3.10 python3.12 python3.13 python3; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
                2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    echo "Install Python 3.10 or later; 3.11 is best." >&2
    return 1
}

read_directory() {
    while (($#)); do
        case $1 in
            --dir) directory=${2:?--dir needs a folder} ;;
            --dir=*) directory=${1#--dir=} ;;
        esac
        shift
    done
}

# On Debian ensurepip is in the package python3-venv. pip works without it.
make_venv() {
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv --clear "$venv"
    else
        "$python" -m venv --clear --without-pip "$venv"
        "$python" -m pip --python "$venv/bin/python" install pip
    fi
}

install_apt_packages() {
    if dpkg -s "${apt_packages[@]}" >/dev/null 2>&1 ||
            [[ $EUID != 0 ]] || ! command -v apt-get >/dev/null; then
        return
    fi
    echo "Installing ${apt_packages[*]} by apt-get ..."
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install -y --no-install-recommends \
        "${apt_packages[@]}"; } >>"$log" 2>&1 ||
        echo "That failed: see $log. There may be no picture."
}

# What an installation depends on. If it changes, install again.
stamp() {
    cat "$root/setup.cfg" "$root/requirements.txt"
    "$python" -VV
    echo "$python $root ${packages[*]}"
}

show_progress() {
    local count=0 word what
    while read -r word what; do
        case $word in
            Collecting) printf "  %3d  %s\n" $((count += 1)) "${what%% *}" ;;
            Building | Installing) echo "  $word ${what:0:60} ..." ;;
        esac
    done
}

install_packages() {
    if [[ -e $venv/stamp && $(stamp) == "$(<"$venv/stamp")" ]]; then
        return
    fi
    echo "Installing Ceilometer, Graphite and this checkout into $venv," \
        "about a hundred packages. This is done once ..."
    make_venv >>"$log" 2>&1
    # pbr takes the version from git, which needs a commit.
    git -C "$root" rev-parse --verify --quiet HEAD >/dev/null 2>&1 ||
        export PBR_VERSION=${PBR_VERSION:-0.1.0}
    "$venv/bin/python" -m pip install --disable-pip-version-check \
        --progress-bar off "${packages[@]}" 2>&1 |
        tee -a "$log" | show_progress
    stamp >"$venv/stamp"
}

main() {
    python=$(find_python)
    if [[ " $* " == *" --help "* || " $* " == *" -h "* ]]; then
        PYTHONPATH=$root exec "$python" "$root/tools/demo.py" --help
    fi
    read_directory "$@"
    mkdir -p "$directory"
    venv=$directory/venv
    log=$directory/install.log
    install_apt_packages
    trap 'tail -n 20 "$log"; echo "The installation failed: see $log"' ERR
    install_packages
    PYTHONPATH=$root exec "$venv/bin/python" "$root/tools/demo.py" "$@"
}

main "$@"
