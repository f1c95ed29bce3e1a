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


"""What tests need from the host that they run on."""

import os
import pathlib
import tempfile
import unittest


def lacks(what):
    """Skip a test because something is missing; fail in CI.

    :raises unittest.SkipTest: with ``what`` is missing
    :raises AssertionError: likewise, in CI
    """
    if os.environ.get("CI"):
        raise AssertionError(what)
    raise unittest.SkipTest(what)


def folder_of_class(cls):
    """Return an empty folder, which is deleted after a test class."""
    folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    cls.addClassCleanup(folder.cleanup)
    return pathlib.Path(folder.name)
