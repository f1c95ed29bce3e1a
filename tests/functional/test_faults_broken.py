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
import shutil

from ceilometer_graphite import spool
from lab import process
from tests.functional import faults
from tests.functional import test_faults_spool

LINES = 1000


def empty(path):
    path.write_bytes(b"")


def garbage(path):
    path.write_bytes(bytes(range(256)) * 200)


def text(path):
    path.write_text("path 1 1700000000\n" * 1000)


def zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def half(path):
    os.truncate(path, path.stat().st_size // 2)


def directory(path):
    path.unlink()
    path.mkdir()


def symbolic_link_to_itself(path):
    path.unlink()
    path.symlink_to(path)


def symbolic_link_to_a_device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


def fifo(path):
    path.unlink()
    os.mkfifo(path)


def directory_for_its_lock(path):
    path.with_name(path.name.split(".")[1] + ".lock").mkdir()


def directory_for_its_endpoints(path):
    endpoints = path.with_name("endpoints")
    endpoints.unlink()
    endpoints.mkdir()


def garbage_for_its_endpoints(path):
    path.with_name("endpoints").write_bytes(b"\xff\xfe" * 100)


def file_for_the_folder(path):
    shutil.rmtree(path.parent)
    path.parent.touch()


CASES = (empty, garbage, text, zeros, half, directory,
         symbolic_link_to_itself, symbolic_link_to_a_device, fifo,
         directory_for_its_lock, directory_for_its_endpoints,
         garbage_for_its_endpoints, file_for_the_folder)


class BrokenTest(test_faults_spool.SpoolTestCase):

    def start_case(self, break_it, port):
        """Create a broken spool, and publish with it."""
        spool_dir = self.directory / break_it.__name__
        endpoints = "127.0.0.1:%d" % port
        folder = spool.folder_of(str(spool_dir), endpoints)
        folder.make(endpoints)
        path = spool_dir / os.path.basename(folder.path) / (
            "%020d.ab.lines.gz" % 1)
        path.write_bytes(b"".join(
            spool.pack(b"ceilometer.old.%d 1 1700000000\n" % number, 1,
                       number) for number in range(100)))
        break_it(path)
        publisher = self.make_publisher(
            port, **{**self.options, "spool_dir": spool_dir})
        load = faults.Load(break_it.__name__.replace("_", "-"))
        load.publish(publisher, LINES)
        return publisher, load

    def test_no_broken_spool_costs_a_new_line(self):
        """May lose the lines in the broken file, and nothing else."""
        port, = process.free_ports(1)
        cases = {each: self.start_case(each, port) for each in CASES}
        reader = self.start_receiver(port=port)
        self.assert_all_arrive([line for _, load in cases.values()
                                for line in load.lines], reader)
        for each, (publisher, _) in cases.items():
            with self.subTest(each.__name__):
                process.wait_for(publisher.is_done, 20, "its end")
                self.assertLessEqual(
                    sum(f"/{each.__name__}" in line and "The spool" in line
                        for line in self.log.output.splitlines()), 3)


class BrokenMeanwhileTest(test_faults_spool.SpoolTestCase):

    def test_a_file_that_is_replaced_by_garbage_costs_no_later_line(self):
        """May lose the lines that were only in the file."""
        port, = process.free_ports(1)
        publisher = self.make_publisher(port, **self.options)
        load = faults.Load("early")
        load.publish(publisher, 500)
        process.wait_for(publisher.is_done, 20, "a spool")
        path, = self.spool_dir.glob("*/*.lines.gz")
        garbage = self.directory / "garbage"
        garbage.write_bytes(b"\xa5" * path.stat().st_size)
        garbage.replace(path)
        late = faults.Load("late")
        late.publish(publisher, 500)
        reader = self.start_receiver(port=port)
        self.assert_all_arrive(late.lines + load.lines, reader)

    def test_a_folder_that_is_deleted_costs_no_line(self):
        """Loses nothing, because all lines are in memory."""
        port, = process.free_ports(1)
        publisher = self.make_publisher(port, **self.options)
        load = faults.Load("early")
        load.publish(publisher, 500)
        process.wait_for(publisher.is_done, 20, "a spool")
        shutil.rmtree(self.spool_dir)
        late = faults.Load("late")
        late.publish(publisher, 500)
        reader = self.start_receiver(port=port)
        self.assert_all_arrive(late.lines + load.lines, reader)


class CountTest(test_faults_spool.SpoolTestCase):

    def test_what_neither_disk_nor_memory_takes_is_counted(self):
        """May lose the oldest lines beyond buffer_size, counted."""
        self.spool_dir.touch()
        port, = process.free_ports(1)
        publisher = self.make_publisher(port, buffer_size=100000,
                                        **self.options)
        load = faults.Load()
        with self.loading(publisher, load):
            process.wait_for(lambda: load.count > 5000, 30, "load")
        reader = self.start_receiver(port=port)
        last = faults.Load("last")
        last.publish(publisher, 50)
        self.assert_all_arrive(last.lines, reader)
        process.wait_for(publisher.is_done, 30, "all lines")
        dropped = publisher.counts["lines_dropped.buffer_full"]
        self.assertGreater(dropped, 0)
        self.assertEqual(load.count - dropped,
                         len(set(reader.lines()) & set(load.lines)))
