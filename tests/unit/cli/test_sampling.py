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


import logging

from oslotest import base

from ceilometer_graphite.cli import sampling


class NotesTest(base.BaseTestCase):
    """What Ceilometer warned of while it polled."""

    def setUp(self):
        super().setUp()
        self.notes = sampling.Notes()
        self.log = logging.getLogger("ceilometer.of_this_test")
        self.log.propagate = False
        self.log.addHandler(self.notes)
        self.addCleanup(self.log.removeHandler, self.notes)

    def test_alike_warnings_are_one_line_with_their_count(self):
        for number in range(3):
            self.log.warning("nothing of %s", number)
        self.log.error("no way\nto %(host)s", {"host": "here"})
        self.assertEqual(["nothing of 0 (and 2 more like it)",
                          "no way to here"], self.notes.take())

    def test_a_long_warning_is_cut(self):
        self.log.warning("x" * 1000)
        self.assertEqual(["x" * 200], self.notes.take())

    def test_what_is_no_warning_is_none(self):
        self.log.info("polled")
        self.assertEqual([], self.notes.take())

    def test_they_are_told_once(self):
        self.log.warning("nothing")
        self.notes.take()
        self.assertEqual([], self.notes.take())
