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
"""A spool's file is broken: delivery goes on, and no file is deleted."""

import shutil
import sqlite3

from lab import process
from tests.functional import faults
from tests.functional import faults_broken
from tests.functional import test_faults_spool

LINES = 1000
# As many as one row on disk has at most.
ROW_LINES = 100


class BrokenTest(test_faults_spool.SpoolTestCase):
    """Each case has a spool, publisher and port of its own, at once."""

    def make_spool(self, port):
        """Leave LINES lines on disk; return them and the file."""
        publisher = self.make_publisher(port, **self.options)
        load = faults.Load("old")
        for _ in range(LINES // ROW_LINES):
            load.publish(publisher, ROW_LINES)
            process.wait_for(publisher._sender.is_idle, 20, "a spool")
        publisher.close(5)
        path, = self.spool_dir.glob("*.sqlite")
        # As after a kill -9: complete, with no one who has it open.
        copy = self.directory / "copy.sqlite"
        with sqlite3.connect(path) as source:
            source.execute("VACUUM INTO ?", (str(copy),))
        return load.lines, copy, path.name

    def start_case(self, case, copy, name, port):
        spool_dir = self.directory / case.name
        spool_dir.mkdir()
        path = spool_dir / name
        shutil.copy(copy, path)
        faults_broken.run(path, "PRAGMA journal_mode = WAL")
        case.breaks(path)
        publisher = self.make_publisher(
            port, **{**self.options, "spool_dir": spool_dir})
        load = faults.Load(case.name)
        load.publish(publisher, LINES)
        return load

    def test_no_broken_file_costs_a_new_line(self):
        """May be lost: what the broken file held; it is set aside.

        Whatever is whole in a file is sent, and nothing else.
        """
        port, = process.free_ports(1)
        old, copy, name = self.make_spool(port)
        loads = [self.start_case(case, copy, name, port)
                 for case in faults_broken.CASES]
        lines = [line for load in loads for line in load.lines]
        process.wait_for(lambda: len(
            list(self.directory.glob("*/*.broken"))) > 5, 30,
            "files that were set aside")
        reader = self.start_receiver(port=port)
        self.assert_all_arrive(lines + old, reader)
        strange = set(reader.lines()) - set(lines) - set(old)
        self.assertEqual([], sorted(strange)[:3])
        said = [line for line in self.log.output.splitlines()
                if "spool failed" in line.lower()]
        for case in faults_broken.CASES:
            with self.subTest(case.name):
                self.assertLessEqual(
                    sum(f"/{case.name}/" in line for line in said), 2, said)


class BrokenMeanwhileTest(test_faults_spool.SpoolTestCase):

    def test_a_file_that_is_replaced_by_garbage_costs_no_later_line(self):
        """The first lines on disk are under way when it breaks.

        May be lost: the lines on disk then; they are set aside where
        SQLite's own log does not have them all.
        """
        port, = process.free_ports(1)
        publisher = self.make_publisher(
            port, **{**self.options, "catch_up_rate": 500,
                     "replay_seconds": 3})
        load = faults.Load("early")
        for _ in range(4):
            load.publish(publisher, 500)
            process.wait_for(publisher._sender.is_idle, 20, "a spool")
        reader = self.start_receiver(port=port)
        self.wait_for_lines(reader, 500)
        path, = self.spool_dir.glob("*.sqlite")
        garbage = self.directory / "garbage"
        garbage.write_bytes(b"\xa5" * path.stat().st_size)
        garbage.replace(path)
        reader.kill()
        late = faults.Load("late")
        for _ in range(4):
            late.publish(publisher, 500)
            process.wait_for(publisher._sender.is_idle, 20, "a spool")
        reader.start()
        self.assert_all_arrive(late.lines + load.lines[:500], reader)


class CountTest(test_faults_spool.SpoolTestCase):

    def test_what_neither_disk_nor_memory_takes_is_counted(self):
        """May be lost: the oldest lines beyond buffer_size, counted."""
        self.spool_dir.touch()
        port, = process.free_ports(1)
        publisher = self.make_publisher(port, buffer_size=100000,
                                        **self.options)
        load = faults.Load()
        with self.loading(publisher, load):
            process.wait_for(lambda: load.count > 5000, 30, "load")
        reader = self.start_receiver(port=port)
        self.assert_all_arrive(load.lines[-1000:], reader)
        last = faults.Load("last")
        last.publish(publisher, 50)
        self.assert_all_arrive(last.lines, reader)
        dropped = publisher.counts["lines_dropped.buffer_full"]
        self.assertEqual(load.count - dropped,
                         len(set(reader.lines()) & set(load.lines)))
