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
# Lays the publisher, the driver, their options, entry points, tests, docs and
# release notes into a source tree of Ceilometer, in its own layout, for its
# maintainers to review by "git diff". The sdist of Ceilometer 27.0.0 serves,
# and so does a checkout. A tree that is not as expected stays as it was.
#
# Usage: tools/upstream_patch.sh CEILOMETER_TREE

set -euo pipefail

find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11 python3.10; do
        if "$name" -c \
            'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null
        then
            command -v "$name"
            return
        fi
    done
    echo "upstream_patch: needs Python 3.10 or later" >&2
    return 1
}

if [ $# != 1 ]; then
    echo "Usage: tools/upstream_patch.sh CEILOMETER_TREE" >&2
    exit 2
fi
if ! [ -d "$1" ]; then
    echo "upstream_patch: $1 is no folder" >&2
    exit 1
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tree=$(cd "$1" && pwd)
python=$(find_python)
cd "$root"
exec "$python" -B -m tools.upstream "$tree"
