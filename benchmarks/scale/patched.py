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

"""A copy of Ceilometer with patches 1 to 3 of ``upstream/``."""

import importlib.metadata
import importlib.util
import os
import pathlib
import shutil
import subprocess

from lab import process
from tools import upstream

# These make polling cheaper; the others add features.
_PATCHES = 3


def make(directory: pathlib.Path) -> pathlib.Path:
    """Copy the installed Ceilometer, and apply the patches to the copy.

    :returns: the folder to put first in ``PYTHONPATH``
    :raises lab.process.LabError: if the patches are for another release
    """
    installed = importlib.metadata.version("ceilometer")
    if installed != upstream.RELEASE:
        raise process.LabError(
            "the patches are for Ceilometer %s, not for %s" % (
                upstream.RELEASE, installed))
    # An import would load eventlet here.
    spec = importlib.util.find_spec("ceilometer")
    source, = spec.submodule_search_locations
    shutil.copytree(source, directory / "ceilometer",
                    ignore=shutil.ignore_patterns("__pycache__"))
    for patch in sorted(upstream.SERIES.glob("*.patch"))[:_PATCHES]:
        # In a folder of a repository, git would skip all other files.
        subprocess.run(
            ["git", "apply", "--include", "ceilometer/*", str(patch)],
            cwd=directory, check=True,
            env={**os.environ,
                 "GIT_CEILING_DIRECTORIES": str(directory.parent)})
    return directory
