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
"""Runs commands and waits for them."""

import subprocess

from lab import process


def run(*command, cwd=None):
    """Run a command and return its output.

    :raises LabError: if it fails, with its error output.
    """
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd,
                          stdin=subprocess.DEVNULL)
    if done.returncode:
        raise process.LabError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
