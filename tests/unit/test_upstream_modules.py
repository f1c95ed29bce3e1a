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


import textwrap

from oslotest import base

from tools.upstream import pruning
from tools.upstream import rewriting


class PruneTest(base.BaseTestCase):

    TEXT = textwrap.dedent('''\
        # A header

        import re

        import hypothesis
        from hypothesis import strategies as st

        TEXTS = st.text()
        WORD = re.compile("x")
        KEPT = 1


        def texts():
            return TEXTS


        class FirstTest(Base):

            def word(self):
                return WORD

            # About it.
            @hypothesis.given(texts())
            def test_any(self, text):
                self.word()

            def test_one(self):
                self.other()

            def other(self):
                pass
        ''')

    def test_what_needs_a_package_goes_and_what_only_that_used(self):
        self.assertEqual(textwrap.dedent('''\
            # A header

            KEPT = 1


            class FirstTest(Base):

                def test_one(self):
                    self.other()

                def other(self):
                    pass
            '''), pruning.prune(self.TEXT))

    def test_what_is_unwanted_by_name_goes(self):
        self.assertIsNone(pruning.prune(self.TEXT, {"self.test_one"}))
        self.assertIsNone(pruning.prune(self.TEXT, {"FirstTest"}))

    def test_a_class_goes_with_what_sets_its_tests_up(self):
        self.assertIsNone(pruning.prune(
            "from carbon import util\nclass A(B):\n"
            "    def setUp(self):\n        util.x()\n"
            "    def test_a(self):\n        pass\n"))

    def test_a_class_goes_with_its_base(self):
        self.assertIsNone(pruning.prune(
            "from carbon import util\nclass A(util.B):\n    x = 1\n"
            "class C(A):\n    def test_a(self):\n        pass\n"))


class RewritingTest(base.BaseTestCase):

    def test_imports_have_their_names_in_ceilometer(self):
        for ours, theirs in (
                ("from ceilometer_graphite import spool",
                 "from ceilometer.publisher.graphite import spool"),
                ("from ceilometer_graphite import driver",
                 "from ceilometer.pipeline import driver"),
                (":class:`~ceilometer_graphite.spool.Spool`",
                 ":class:`~.spool.Spool`"),
                ("raises ceilometer_graphite.throttle.A",
                 "raises ceilometer.throttle.A"),
                ("from tests.unit import base as unit_base",
                 "from ceilometer.tests.unit.publisher.graphite import base "
                 "as unit_base")):
            self.assertEqual(theirs, rewriting.rename("a", ours))

    def test_a_name_that_ceilometer_does_not_know_is_an_error(self):
        for text in ("ceilometer_graphite", "pip install ceilometer-graphite",
                     "import tests.unit", "from tests import x",
                     "from tools.lab import x"):
            self.assertRaises(rewriting.PatchError, rewriting.rename, "a",
                              text)

    def test_imports_stand_in_groups_in_order(self):
        self.assertEqual(
            '"""A."""\n\nimport os\nimport re\n\nfrom oslo_log import log\n'
            'import yaml\n\nimport ceilometer\n'
            'from ceilometer.publisher import udp\n'
            'from ceilometer import sample\n\nX = 1\n',
            rewriting.sort_imports(
                '"""A."""\n\nimport ceilometer\nimport re\nimport yaml\n\n'
                'from ceilometer import sample\nfrom oslo_log import log\n\n'
                'import os\nfrom ceilometer.publisher import udp\n\nX = 1\n'))

    def test_a_piece_that_is_missing_is_an_error(self):
        error = self.assertRaises(rewriting.PatchError, rewriting.edit,
                                  "a.py", "text", [("gone", "")])
        self.assertIn("a.py lacks what has to be replaced there:\ngone",
                      str(error))
