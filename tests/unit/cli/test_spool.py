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

from ceilometer_graphite import spool
from tests import fakes
from tests.unit.cli import commands


class SpoolTest(commands.CommandTestCase):

    def setUp(self):
        super().setUp()
        self.root = self.directory / "spool"
        self.configure(spool_dir=self.root)
        self.receiver = fakes.Receiver()
        self.addCleanup(self.receiver.close)
        self.url = "graphite://127.0.0.1:%d" % self.receiver.endpoint[1]

    def leave(self, endpoints="old:2003", owner="ab", count=3):
        """Lines that an agent has left on disk."""
        folder = spool.folder_of(str(self.root), endpoints)
        folder.make(endpoints)
        path = self.root / "old_2003" / ("%020d.%s.lines.gz" % (1, owner))
        path.write_bytes(b"".join(
            spool.pack(b"a.%d 1 1\n" % number, 1, number)
            for number in range(count)))
        return path

    def test_it_lists_each_set_with_its_lines(self):
        path = self.leave()
        ended = self.run_command("spool")
        self.assertEqual((0, ""), (ended.status, ended.err))
        self.assertEqual(
            ["old_2003", "3", str(path.stat().st_size), "old:2003"],
            ended.out.splitlines()[1].split())

    def test_a_file_that_an_agent_deletes_meanwhile_is_none(self):
        path = self.leave()
        files = spool.Folder.files
        self.patch(spool.Folder, "files", lambda *a: [
            *files(*a), str(path.with_name("deleted"))])
        ended = self.run_command("spool")
        self.assertEqual((0, "3"), (
            ended.status, ended.out.splitlines()[1].split()[1]))
        self.assertEqual(0, self.run_command(
            "spool", "export", "old_2003").status)

    def test_it_prints_lines(self):
        self.leave()
        ended = self.run_command("spool", "export", "old_2003")
        self.assertEqual((0, "a.0 1 1\na.1 1 1\na.2 1 1\n", ""), ended)

    def test_what_is_confirmed_is_deleted(self):
        path = self.leave()
        ended = self.run_command("spool", "send", "old_2003", self.url)
        self.assertEqual((0, "3 lines were sent\n", ""), ended)
        self.assertEqual([b"a.0 1 1\n", b"a.1 1 1\n", b"a.2 1 1\n"],
                         self.receiver.take(3))
        self.assertFalse(path.exists())

    def test_a_small_buffer_drops_nothing(self):
        path = self.leave()
        count = 3000
        path.write_bytes(b"".join(
            spool.pack(b"a.%04d %s 1\n" % (number, b"1" * 90), 1, number)
            for number in range(count)))
        ended = self.run_command(
            "spool", "send", "old_2003", self.url + "?buffer_size=65536")
        self.assertEqual((0, "%d lines were sent\n" % count, ""), ended)
        self.assertEqual(count, len(self.receiver.take(count)))

    def test_what_is_not_confirmed_stays(self):
        path = self.leave()
        content = path.read_bytes()
        self.receiver.close()
        self.assert_fails(
            self.run_command("spool", "send", "old_2003", self.url,
                             "--timeout", "0.1"),
            "was not confirmed within 0.1 seconds, and stays")
        left, = path.parent.glob("*.lines.gz")
        self.assertEqual(content, left.read_bytes())
        self.assertEqual([], list(path.parent.glob("*.lock")))

    def test_the_files_of_an_agent_that_runs_are_left_alone(self):
        path = self.leave()
        lock = spool.Folder(str(path.parent)).lock("ab")
        ended = self.run_command("spool", "send", "old_2003", self.url)
        os.close(lock)
        self.assertIn("A running agent has 1 files", ended.out)
        self.assertTrue(path.exists())

    def test_what_is_missing_is_told(self):
        self.leave()
        for arguments, problem in (
                (["send"], "spool send needs the name of a set"),
                (["export", "x"], "there is no set x"),
                (["send", "old_2003"], "spool send needs a URL"),
                (["send", "old_2003", "tcp://x"], "tcp://x")):
            with self.subTest(arguments):
                self.assert_fails(self.run_command("spool", *arguments),
                                  problem)
        self.configure()
        self.assert_fails(self.run_command("spool"), "no spool_dir is set")
