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

import ast

from oslotest import base

from tools import house


class HouseTest(base.BaseTestCase):

    def test_a_long_function_is_found_and_its_docstring_is_not_counted(self):
        body = "    x = 1\n" * house.MAX_LINES
        for text, count in (
                ("def f():\n" + body, 1),
                ("def f():\n" + body[10:], 0),
                ('def f():\n    """One\n\n    two\n    """\n' + body[10:], 0)):
            self.assertEqual(count, len(list(house.long_functions(
                ast.parse(text)))))

    def test_a_module_uses_only_what_its_rule_allows(self):
        for name, text, count in (
                ("transports", "import socket", 0),
                ("naming", "import socket", 1),
                ("naming", "from threading import Thread", 1),
                ("naming", "import threading\nthreading.Thread()", 1),
                ("naming", "import os\nos.unlink('x')", 1),
                ("spool", "import os\nos.unlink('x')", 0),
                ("driver", "from ceilometer_graphite.cli import main", 1)):
            with self.subTest(text, name=name):
                self.assertEqual(count, len(list(house.forbidden(
                    name, ast.parse(text)))))

    def test_a_word_that_has_a_better_one_is_found(self):
        for text, count in (("The far end is gone.", 1),
                            ("All machines of a project", 0),
                            ("Two machines share it, under way.", 2),
                            ("Any Linux machine will do.", 0),
                            ("A VM", 1), ("An instance, in flight", 0)):
            with self.subTest(text):
                self.assertEqual(count, len(list(house.words(text))))

    def test_a_file_may_use_only_the_words_of_its_exceptions(self):
        text = "Two machines share it, under way."
        for name, count in (("tools/house.py", 0), ("lab/nova.py", 1),
                            ("ceilometer_graphite/opts.py", 2)):
            with self.subTest(name):
                self.assertEqual(count, len(list(house.words(text, name))))

    def test_the_house_is_in_order(self):
        self.assertEqual(0, house.main())
