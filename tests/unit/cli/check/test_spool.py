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


import os
import subprocess
import sys

from ceilometer_graphite import spool
from ceilometer_graphite.cli import common
from tests.unit.cli import checks

SPOOL = ("ceilometer.conf", "pipeline.yaml", "publishers", "graphite://",
         "spool")
# A process that has files in a spool.
HOLD_LOCK = """
import sys
from ceilometer_graphite import spool
spool.Folder(sys.argv[1]).lock_new()
print(flush=True)
sys.stdin.read()
"""


class SpoolTest(checks.CheckTestCase):

    def setUp(self):
        super().setUp()
        self.spool = self.directory / "spool"

    def found(self, **options):
        self.write_options(**{"spool_dir": self.spool, **options})
        return self.find(*SPOOL)

    def test_none_is_fine_and_said(self):
        self.assertIn("lines wait in memory only",
                      self.found(spool_dir="")[-1].message)

    def test_a_folder_that_can_be_written_is_fine_and_stays_empty(self):
        self.spool.mkdir()
        self.assert_ok(self.found(spool_size=2 ** 20))
        self.assertEqual([], os.listdir(self.spool))

    def test_a_folder_that_the_agent_makes_is_fine_and_not_made(self):
        self.assert_ok(self.found(spool_size=2 ** 20))
        self.assertFalse(self.spool.exists())

    def test_a_folder_of_someone_else_is_an_error(self):
        self.spool.mkdir(mode=0o555)
        self.found()
        self.as_nobody(lambda: self.assert_found(
            "error", self.find(*SPOOL),
            "%s cannot write to %s: Permission denied" % (
                common.user_name(), self.spool), "install -d -o "))

    def test_a_folder_that_cannot_be_made_is_an_error(self):
        self.found()
        self.directory.chmod(0o555)
        self.addCleanup(self.directory.chmod, 0o755)
        self.as_nobody(lambda: self.assert_found(
            "error", self.find(*SPOOL), "may not make %s" % self.spool))

    def test_a_file_in_its_place_is_an_error(self):
        self.spool.touch()
        self.assert_found("error", self.found(), "is no folder",
                          "name another spool_dir")

    def test_a_spool_that_someone_else_left_there_is_an_error(self):
        self.spool.mkdir()
        self.spool.chmod(0o777)
        path = self.spool / ("127_0_0_1_%d" % self.receiver.endpoint[1])
        path.mkdir(0o555)
        self.found()
        self.as_nobody(lambda: self.assert_found(
            "error", self.find(*SPOOL), "may not write %s" % path, "chown"))

    def test_lines_for_what_is_no_endpoint_any_more_are_a_warning(self):
        folder = spool.folder_of(str(self.spool), "old:2003")
        folder.make("old:2003")
        (self.spool / "old_2003" / ("%020d.ab.lines.gz" % 1)).write_bytes(
            spool.pack(b"a 1 1\nb 2 2\n", 2, 0))
        self.assert_found(
            "warning", self.found(spool_size=2 ** 20),
            "2 lines wait for old:2003",
            "ceilometer-graphite spool send old_2003 graphite://127.0.0.1:")

    def test_a_disk_with_too_little_room_is_a_warning(self):
        self.spool.mkdir()
        disk = os.statvfs(self.spool)
        self.assert_found(
            "warning", self.found(
                spool_size=disk.f_blocks * disk.f_frsize + 2 ** 20),
            "MiB free, and spool_size is", "smaller spool_size")

    def test_two_agents_with_one_spool_are_a_warning(self):
        self.found()
        folder = spool.folder_of(str(self.spool), spool.endpoints_text(
            self.state.publishers[0].endpoints))
        folder.make("127.0.0.1:1")
        self.addCleanup(os.close, folder.lock_new()[1])
        self.assertEqual([], [each for each in self.found(spool_size=2 ** 20)
                              if each.status == "warning"])
        with subprocess.Popen(
                [sys.executable, "-c", HOLD_LOCK, folder.path],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            other.stdout.readline()
            self.assert_found(
                "warning", self.found(spool_size=2 ** 20),
                "2 processes write to %s: " % folder.path, str(other.pid),
                "give each a spool_dir of its own")
            other.communicate()
