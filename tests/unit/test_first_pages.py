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

"""The first pages of the documentation agree with the code."""

import re
import textwrap

from oslotest import base
import yaml

from tests.functional import pages

PAGES = ("README.rst", "doc/source/install.rst")


class FirstPagesTest(base.BaseTestCase):

    def test_both_pages_poll_the_same_meters_as_the_example(self):
        example = yaml.safe_load(
            (pages.ROOT / "etc/polling.yaml").read_text())
        for name in PAGES:
            text = (pages.ROOT / name).read_text()
            found = [yaml.safe_load(textwrap.dedent(block)) for block
                     in re.findall(r"code-block:: yaml\n\n((?:   .*\n)+)",
                                   text) if "interval:" in block]
            self.assertEqual([example], found, name)

    def test_both_pages_say_that_it_is_not_on_pypi(self):
        for name in PAGES:
            self.assertIn("not on PyPI", (
                pages.ROOT / name).read_text())
