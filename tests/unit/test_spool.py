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

import errno
import gzip
import os
import pathlib
import shutil
import stat
import types

import fixtures
from oslotest import base

from ceilometer_graphite import outbox
from ceilometer_graphite import spool
from ceilometer_graphite import stats
from tests import fakes
from tests import host
from tests.unit import base as unit_base

COUNT = 50


def line(number):
    return b"path.%05d %d 1\n" % (number, number)


def lines(first, count=COUNT):
    return b"".join(line(first + number) for number in range(count))


def file_of(members):
    """A file of members of 50 lines, and where each begins."""
    data, starts = b"", []
    for number in range(members):
        starts.append(len(data))
        data += spool.pack(lines(number * COUNT), COUNT, number * COUNT)
    return data, starts


class MemberTest(base.BaseTestCase):

    def test_any_gzip_reads_a_file(self):
        data, _ = file_of(20)
        self.assertEqual(lines(0, 1000), gzip.decompress(data))

    def test_its_lines_come_back(self):
        data, _ = file_of(20)
        self.assertEqual(
            [(number, lines(number)) for number in range(0, 1000, COUNT)],
            list(spool.unpack(data)))

    def test_it_says_how_many_lines_it_has(self):
        self.assertEqual(1000, spool.count_lines(file_of(20)[0]))
        self.assertEqual(0, spool.count_lines(b""))

    def damaged(self, data):
        """The members that are lost, when all that is lost is counted."""
        left = set()
        for before, read in spool.unpack(data):
            self.assertEqual(lines(before), read)
            left.add(before // COUNT)
        gone = set(range(20)) - left
        self.assertEqual(len(gone) * COUNT,
                         spool.count_lines(data) - len(left) * COUNT)
        return gone

    def test_damage_costs_the_members_that_it_meets(self):
        data, starts = file_of(20)
        middle = starts[7] + 60
        for name, changed, gone in (
                ("8 bytes zeroed", data[:middle] + bytes(8)
                 + data[middle + 8:], {7}),
                ("a bit flipped", data[:middle] + bytes([
                    data[middle] ^ 1]) + data[middle + 1:], {7}),
                ("a bit of a number of lines flipped", data[:starts[7] + 20]
                 + bytes([data[starts[7] + 20] ^ 64])
                 + data[starts[7] + 21:], {7}),
                ("a header zeroed", data[:starts[7]] + bytes(24)
                 + data[starts[7] + 24:], {7}),
                ("a checksum zeroed", data[:starts[8] - 8] + bytes(8)
                 + data[starts[8]:], {7}),
                ("a member missing", data[:starts[7]] + data[starts[8]:],
                 {7}),
                ("bytes too many", data[:starts[7]] + b"\x1f\x8b\x08\x04xyz"
                 + data[starts[7]:], set()),
                ("three members zeroed", data[:starts[7]] + bytes(
                    starts[10] - starts[7]) + data[starts[10]:], {7, 8, 9}),
                ("the end cut off", data[:-20], {19}),
                ("the beginning cut off", data[30:], {0})):
            with self.subTest(name):
                self.assertEqual(gone, self.damaged(changed))

    def test_no_bit_that_flips_costs_another_member(self):
        data, starts = file_of(20)
        for place in range(starts[7], starts[8]):
            for bit in 1, 16, 128:
                changed = bytearray(data)
                changed[place] ^= bit
                self.assertLessEqual(self.damaged(bytes(changed)), {7})

    def test_no_bytes_raise(self):
        for data in (b"", b"\x1f", b"\x1f\x8b\x08\x04" * 100, bytes(5000),
                     os.urandom(5000)):
            self.assertEqual([], list(spool.unpack(data)))
            self.assertEqual(0, spool.count_lines(data))


class Link:
    """What a sender says of the receiver."""

    is_connected = False
    is_stalled = False
    woken = 0

    def wake(self):
        self.woken += 1


class SpoolTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.log = self.useFixture(fixtures.FakeLogger())
        self.clock = fakes.Clock()
        self.counts = stats.Counts()
        self.link = Link()
        self.lost = []

    def make(self, endpoints=(("a", 2003),), replay_seconds=0, **settings):
        box = outbox.Outbox(settings.get("buffer_size", 1 << 20),
                            replay_seconds, self.lost.append, self.clock)
        made = spool.Spool(types.SimpleNamespace(**{
            "spool_dir": str(self.root / "spool"), "spool_size": 1 << 30,
            "buffer_size": 1 << 20, "endpoints": endpoints, **settings}),
            box, self.counts, self.link, self.clock)
        self.addCleanup(made.abandon)
        return made, box

    def put(self, box, first, count=COUNT):
        box.put(lines(first, count), count)

    def wait(self, made):
        """Let what waits be older than half a second, and one round pass."""
        self.clock.advance(1)
        made.step()

    def files(self):
        return sorted(self.root.glob("spool/*/*.lines.gz"))

    def on_disk(self):
        return b"".join(gzip.decompress(path.read_bytes())
                        for path in self.files())

    def left_behind(self, *firsts, **settings):
        """What a process that was killed leaves."""
        made, box = self.make(**settings)
        box.fail()
        for first in firsts:
            self.put(box, first)
            self.wait(made)
        made.abandon()

    def sent(self, box):
        """The numbers of all lines that could be sent now, and confirm."""
        numbers = [int(each.split()[1]) for batch in (
            *box.take_live(1 << 30), *box.take_backlog(1 << 30, 1e9))
            for each in batch.lines.splitlines()]
        box.confirm()
        return numbers

    def sent_in_rounds(self, made, box, rounds):
        """Return what is sent and confirmed, round after round."""
        sent = []
        for _ in range(rounds):
            self.wait(made)
            sent += self.sent(box)
        return sent


class SpoolTest(SpoolTestCase):

    def test_what_is_delivered_in_time_never_gets_there(self):
        made, box = self.make()
        self.put(box, 0)
        made.step()
        self.assertEqual([], self.files())

    def test_what_waits_for_half_a_second_is_copied(self):
        made, box = self.make()
        self.put(box, 0)
        self.wait(made)
        self.assertEqual(lines(0), self.on_disk())
        self.assertTrue(box.is_done())
        self.assertGreater(made.bytes(), 0)

    def test_it_is_copied_once_and_deleted_when_it_is_delivered(self):
        made, box = self.make()
        self.put(box, 0)
        self.wait(made)
        self.wait(made)
        self.assertEqual(lines(0), self.on_disk())
        self.assertEqual(list(range(COUNT)), self.sent(box))
        made.step()
        self.assertEqual(([], 0), (self.files(), made.bytes()))

    def test_lines_in_flight_are_copied_when_the_peer_stalls(self):
        made, box = self.make()
        self.put(box, 0)
        box.take_live(1 << 30)
        self.wait(made)
        self.assertEqual([], self.files())
        self.link.is_stalled = True
        self.wait(made)
        self.assertEqual(lines(0), self.on_disk())

    def test_a_hurry_copies_all_at_once(self):
        made, box = self.make()
        self.put(box, 0)
        box.take_live(1 << 30)
        self.put(box, 50)
        made.hurry()
        made.step()
        self.assertEqual(lines(0, 100), self.on_disk())

    def test_what_left_memory_comes_back(self):
        made, box = self.make(buffer_size=65536)
        box.fail()
        for first in range(0, 20000, 500):
            self.put(box, first, 500)
            self.wait(made)
        self.assertEqual([], self.lost)
        self.assertLessEqual(box.bytes(), 65536)
        self.link.is_connected = True
        sent = set()
        while self.files():
            sent |= set(self.sent(box))
            made.step()
        self.assertEqual(set(range(20000)), sent)

    def test_what_was_confirmed_lately_leaves_room_for_what_comes_back(self):
        made, box = self.make(buffer_size=65536, replay_seconds=10)
        box.fail()
        for first in range(0, 20000, 500):
            self.put(box, first, 500)
            self.wait(made)
        self.link.is_connected = True
        sent = set()
        while self.files():
            sent |= set(self.sent(box))
            made.step()
            self.assertLessEqual(box.bytes(), 65536 + 16384)
        self.assertEqual(set(range(20000)), sent)

    def test_nothing_comes_back_while_nothing_can_be_sent(self):
        self.left_behind(0)
        made, box = self.make()
        self.wait(made)
        self.assertEqual([], self.sent(box))

    def test_files_are_of_about_a_megabyte_of_lines(self):
        made, box = self.make(buffer_size=64 << 20)
        box.fail()
        self.put(box, 0, 250000)
        self.wait(made)
        sizes = [len(gzip.decompress(path.read_bytes()))
                 for path in self.files()]
        self.assertEqual(len(lines(0, 250000)), sum(sizes))
        self.assertGreater(len(sizes), 3)
        self.assertLess(max(sizes), spool.FILE_BYTES + outbox.BATCH_BYTES)

    def test_the_oldest_file_goes_when_there_is_too_much(self):
        made, box = self.make(buffer_size=65536, spool_size=20000)
        box.fail()
        for first in range(0, 20000, 500):
            self.put(box, first, 500)
            self.wait(made)
        self.assertLessEqual(made.bytes(), 20000)
        self.link.is_connected = True
        sent = set()
        while self.files():
            sent |= set(self.sent(box))
            made.step()
        sent |= set(self.sent(box))
        self.assertEqual([], self.lost)
        self.assertIn(19999, sent)
        self.assertEqual(
            20000, len(sent) + self.counts["lines_dropped.spool_full"])
        self.assertIn("spool_size = 20000", self.log.output)

    def test_a_spool_that_is_smaller_than_memory_stays_full_and_rests(self):
        made, box = self.make(spool_size=5000)
        box.fail()
        for first in range(0, 10000, 500):
            self.put(box, first, 500)
            self.wait(made)
        self.assertTrue(box.is_done())
        before = self.files()
        self.wait(made)
        self.assertEqual(before, self.files())
        self.link.is_connected = True
        sent = set()
        while self.files():
            sent |= set(self.sent(box))
            made.step()
        self.assertEqual(
            10000, len(sent) + self.counts["lines_dropped.spool_full"])
        self.assertIn(9999, sent)

    def spooled_in_part(self, **settings):
        """A spool of 40 batches, whose first alone was delivered.

        The next ones are in the same file, and in no memory.
        """
        made, box = self.make(buffer_size=65536, **settings)
        box.fail()
        for number in range(40):
            self.put(box, number * 500, 500)
            self.wait(made)
            if number == 1:
                batch, = box.take_live(1)
                box.confirm()
                box.fail()
        self.assertEqual(lines(0, 500), batch.lines)
        self.assertIn(lines(0, 1000), self.on_disk())
        return made, box

    def test_what_was_delivered_is_not_sent_again(self):
        made, box = self.spooled_in_part()
        self.link.is_connected = True
        sent = []
        while self.files():
            sent += self.sent(box)
            made.step()
        self.assertEqual(list(range(500, 20000)), sorted(sent))

    def test_what_was_delivered_is_not_lost_with_its_file(self):
        made, box = self.spooled_in_part()
        made._size = 0
        made.step()
        self.assertEqual(
            19500, self.counts["lines_dropped.spool_full"])

    def test_a_folder_that_was_deleted_is_made_again(self):
        made, box = self.make()
        box.fail()
        self.put(box, 0)
        self.wait(made)
        shutil.rmtree(self.root / "spool")
        self.assertTrue(box.is_done())
        self.put(box, COUNT)
        self.wait(made)
        self.assertEqual(lines(0, 2 * COUNT), self.on_disk())

    def test_a_folder_that_another_process_made_again_is_noticed(self):
        made, box = self.make()
        other, _ = self.make()
        box.fail()
        self.put(box, 0)
        self.wait(made)
        shutil.rmtree(self.root / "spool")
        self.wait(other)
        self.wait(made)
        self.assertEqual(lines(0), self.on_disk())
        self.assertEqual(2, len(list(self.root.glob("spool/*/*.lock"))))

    def test_lines_that_were_deleted_on_disk_alone_are_counted(self):
        made, box = self.spooled_in_part()
        before = sum(file.left - file.in_memory for file in made._files)
        self.assertGreater(before, 0)
        shutil.rmtree(self.root / "spool")
        made.step()
        self.link.is_connected = True
        for _ in range(50):
            self.sent(box)
            self.wait(made)
        self.assertEqual(before, self.counts["lines_dropped.spool_corrupt"])

    def test_no_line_is_of_the_future_when_the_clock_was_set_back(self):
        self.left_behind(0)
        path, = self.files()
        path.rename(path.with_name("9" + path.name[1:]))
        made, box = self.make()
        self.link.is_connected = True
        self.wait(made)
        lines_here, _, seconds = box.waiting()
        self.assertEqual((COUNT, 0), (lines_here, seconds))

    def test_lines_whose_receiver_dies_after_it_confirmed_wake_it(self):
        made, box = self.make(replay_seconds=10)
        self.put(box, 0)
        self.sent(box)
        made._wake.clear()
        box.fail()
        self.assertTrue(made._wake.is_set())

    def test_the_sender_is_told_of_what_comes_back(self):
        self.left_behind(0)
        made, _ = self.make()
        self.link.is_connected = True
        self.wait(made)
        self.assertEqual(1, self.link.woken)

    def test_damaged_lines_are_counted(self):
        self.left_behind(0, 50, 100)
        path, = self.files()
        data = path.read_bytes()
        start = data.index(b"\x1f\x8b\x08\x04", 1)
        path.write_bytes(data[:start + 40] + bytes(8) + data[start + 48:])
        made, box = self.make()
        self.link.is_connected = True
        self.wait(made)
        self.assertEqual({*range(50), *range(100, 150)}, set(self.sent(box)))
        self.assertEqual(50, self.counts["lines_dropped.spool_corrupt"])
        self.wait(made)
        self.assertEqual([], self.files())


class DiskTest(SpoolTestCase):

    def setUp(self):
        super().setUp()
        self.folder = self.root / "spool" / "a_2003"

    def test_a_disk_that_takes_nothing_leaves_lines_in_memory(self):
        (self.root / "spool").write_text("no folder")
        made, box = self.make()
        self.put(box, 0)
        self.clock.advance(1)
        self.assertRaises(OSError, made.step)
        (self.root / "spool").unlink()
        made.step()
        self.assertEqual(lines(0), self.on_disk())
        self.assertEqual(list(range(COUNT)), self.sent(box))

    def test_the_end_does_not_wait_for_a_disk_that_is_back(self):
        self.patch(spool, "RETRY_SECONDS", 1000)
        (self.root / "spool").write_text("no folder")
        made, box = self.make()
        box.fail()
        self.put(box, 0)
        made.start()
        while "The spool in" not in self.log.output:
            pass
        (self.root / "spool").unlink()
        made.hurry()
        made.close()
        made.join(20)
        self.assertEqual(lines(0), self.on_disk())

    def test_nobody_else_can_read_it(self):
        os.makedirs(self.folder, mode=0o755)
        os.umask(os.umask(0))
        made, box = self.make()
        self.put(box, 0)
        self.wait(made)
        self.assertEqual(0o700, stat.S_IMODE(self.folder.stat().st_mode))
        for path in self.folder.iterdir():
            self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))

    def test_a_lock_that_root_made_is_its_owners(self):
        if os.geteuid():
            host.lacks("a lock for another user needs root")
        folder = spool.Folder(str(self.root))
        os.chown(self.root, 65534, -1)
        os.close(folder.lock("ab"))
        self.assertEqual(65534, os.stat(folder.lock_path("ab")).st_uid)

    def test_no_symbolic_link_is_followed(self):
        elsewhere = self.root / "elsewhere"
        elsewhere.mkdir()
        (self.root / "spool").mkdir()
        self.folder.symlink_to(elsewhere)
        made, _ = self.make()
        self.assertRaises(OSError, made.step)
        self.assertEqual([], list(elsewhere.iterdir()))
        self.folder.unlink()
        self.folder.mkdir()
        (self.folder / "endpoints").symlink_to(self.root / "target")
        self.assertRaises(OSError, made.step)
        self.assertFalse((self.root / "target").exists())

    def test_the_files_of_a_process_that_is_gone_are_taken_over(self):
        self.left_behind(0, 50)
        self.left_behind(100)
        made, box = self.make()
        self.link.is_connected = True
        self.assertEqual(list(range(150)), self.sent_in_rounds(made, box, 4))
        self.assertEqual([], self.files())

    def test_what_cannot_be_taken_over_is_tried_again(self):
        self.left_behind(0, 50)
        path, = self.files()
        data = path.read_bytes()
        half = data.index(spool.pack(lines(50), 50, 50))
        path.write_bytes(data[:half])
        (self.folder / ("%020d.ab.lines.gz" % 1)).write_bytes(data[half:])
        lock = self.folder / "ab.lock"
        lock.mkdir()
        made, box = self.make()
        self.link.is_connected = True
        self.wait(made)
        self.assertEqual(list(range(50)), self.sent(box))
        self.assertIn("Is a directory", self.log.output)
        lock.rmdir()
        self.clock.advance(spool.RETRY_SECONDS)
        self.wait(made)
        self.assertEqual(list(range(50, 100)), self.sent(box))

    def test_a_spool_that_cannot_be_listed_is_listed_again(self):
        self.left_behind(0)
        made, box = self.make()
        scandir = os.scandir
        self.patch(spool.os, "scandir", lambda _: os.close(-1))
        self.assertRaises(OSError, made.step)
        self.patch(spool.os, "scandir", scandir)
        self.link.is_connected = True
        self.clock.advance(spool.RETRY_SECONDS)
        self.wait(made)
        self.assertEqual(list(range(COUNT)), self.sent(box))

    def test_two_files_of_one_moment_are_both_taken_over(self):
        self.left_behind(0)
        path, = self.files()
        path.with_name(path.name[:20] + ".ab.lines.gz").write_bytes(
            spool.pack(lines(50), 50, 0))
        made, box = self.make()
        self.link.is_connected = True
        self.assertEqual(list(range(100)),
                         sorted(self.sent_in_rounds(made, box, 3)))

    def test_a_file_without_a_line_is_told_of(self):
        self.left_behind(0)
        path, = self.files()
        path.write_bytes(b"nothing")
        made, _ = self.make()
        self.wait(made)
        self.assertIn("No line of %s" % path.parent, self.log.output)
        self.assertEqual([], self.files())

    def test_a_disk_that_is_full_for_long_keeps_no_empty_files(self):
        made, box = self.make()
        self.put(box, 0)
        self.patch(spool.os, "write", lambda *_: os.close(-1))
        self.clock.advance(1)
        for _ in range(3):
            self.assertRaises(OSError, made.step)
        self.assertEqual([], self.files())

    def test_what_was_written_in_part_is_cut_off(self):
        made, box = self.make()
        box.fail()
        self.put(box, 0)
        self.wait(made)

        def write_half(fd, data):
            write(fd, data[:len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        write = os.write
        self.put(box, 50)
        with fixtures.MonkeyPatch("os.write", write_half):
            self.clock.advance(1)
            self.assertRaises(OSError, made.step)
        self.wait(made)
        self.assertEqual(lines(0, 100), self.on_disk())
        self.assertEqual(made.bytes(), sum(
            path.stat().st_size for path in self.files()))

    def test_a_file_that_cannot_be_read_holds_up_no_other(self):
        made, box = self.make(buffer_size=65536)
        box.fail()
        for first in range(0, 20000, 500):
            self.put(box, first, 500)
            self.wait(made)
        first = self.files()[0]
        first.unlink()
        first.mkdir()
        self.link.is_connected = True
        self.sent(box)
        self.assertRaises(OSError, made.step)
        made.step()
        self.assertIn(1000, self.sent(box))

    def test_counting_what_is_left_leaves_nothing_behind(self):
        self.left_behind(0)
        for path in self.folder.glob("*.lock"):
            path.unlink()
        before = sorted(self.folder.iterdir())
        folder = spool.Folder(str(self.folder))
        self.assertEqual(COUNT, folder.count_left())
        self.assertEqual(before, sorted(self.folder.iterdir()))

    def test_a_lock_that_was_deleted_meanwhile_is_none(self):
        self.left_behind(0)
        folder = spool.Folder(str(self.folder))
        owner, = folder.owners()

        def lock(fd, operation):
            (self.folder / (owner + ".lock")).unlink()
        self.patch(spool.fcntl, "flock", lock)
        self.assertIsNone(folder.lock(owner))

    def test_those_of_a_process_that_lives_are_not(self):
        other, others = self.make()
        others.fail()
        self.put(others, 0)
        self.wait(other)
        made, box = self.make()
        self.link.is_connected = True
        self.wait(made)
        self.assertEqual([], self.sent(box))
        self.assertEqual(list(range(COUNT)), self.sent(others))

    def test_a_child_lets_its_parents_files_go(self):
        made, box = self.make()
        self.put(box, 0)
        self.wait(made)
        self.assertTrue(unit_base.in_child(lambda: made.abandon() is None))
        other, others = self.make()
        self.link.is_connected = True
        self.wait(other)
        self.assertEqual([], self.sent(others))

    def test_sets_that_share_an_endpoint_are_taken_over(self):
        self.left_behind(0)
        made, box = self.make((("b", 2003), ("a", 2003)))
        self.link.is_connected = True
        self.wait(made)
        self.assertEqual(list(range(COUNT)), self.sent(box))

    def test_other_sets_are_told_with_the_command_that_sends_them(self):
        self.left_behind(0, 50)
        made, box = self.make((("b", 2003),))
        self.link.is_connected = True
        self.wait(made)
        self.assertEqual([], self.sent(box))
        self.assertEqual(1, self.log.output.count("has 100 lines for a:2003"))
        self.assertIn("ceilometer-graphite spool send a_2003",
                      self.log.output)

    def test_lines_that_a_living_process_sends_are_not_told_of(self):
        other, others = self.make()
        others.fail()
        self.put(others, 0)
        self.wait(other)
        made, _ = self.make((("b", 2003),))
        self.wait(made)
        self.assertNotIn("has 50 lines", self.log.output)

    def test_the_locks_of_processes_that_left_nothing_are_deleted(self):
        for _ in range(5):
            made, _ = self.make()
            self.wait(made)
            made.abandon()
        made, _ = self.make()
        self.wait(made)
        self.assertEqual(1, len(list(self.root.glob("spool/*/*.lock"))))

    def test_a_spool_that_was_never_used_has_nothing_to_unlock(self):
        made, _ = self.make()
        made.unlock()
        self.assertFalse((self.root / "spool").exists())

    def test_its_end_keeps_what_waits_and_deletes_its_lock(self):
        made, box = self.make()
        box.fail()
        self.put(box, 0)
        made.start()
        made.hurry()
        made.close()
        made.join(20)
        self.assertEqual(lines(0), self.on_disk())
        self.assertEqual(1, len(list(self.folder.glob("*.lock"))))
        again, box = self.make()
        self.link.is_connected = True
        again.start()
        again.wake()
        while not (sent := self.sent(box)):
            pass
        self.assertEqual(list(range(COUNT)), sent)
        again.hurry()
        again.close()
        again.join(20)
        self.assertEqual([], list(self.folder.glob("*.lock")))
        self.assertEqual([], self.files())
