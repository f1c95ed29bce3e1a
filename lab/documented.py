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


"""Configuration from the documentation, adapted to the lab."""

import pathlib
import shlex

from lab import process

FOLDER = (pathlib.Path(__file__).absolute().parent.parent
          / "doc/source/receivers")


def text(name, replacements=None):
    """Return a file of the documentation, with folders and ports replaced.

    :param replacements: {text of the file: replacement}.
    :raises LabError: if the file lacks one of these texts.
    """
    shown = (FOLDER / name).read_text()
    for old, new in (replacements or {}).items():
        if old not in shown:
            raise process.LabError(f"{FOLDER / name} lacks {old!r}")
        shown = shown.replace(old, str(new))
    return shown


def arguments(name, replacements):
    """Return the arguments for a command from its file in /etc/default."""
    _, _, value = text(name, replacements).partition("=")
    return shlex.split(*shlex.split(value))
