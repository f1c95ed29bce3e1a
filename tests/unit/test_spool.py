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

import contextlib
import fcntl
import os
import sqlite3
import subprocess
import sys
import textwrap

import fixtures
from oslotest import base

from ceilometer_graphite import spool

SIZE = 1 << 20


def lines(number, count=1):
    return b"".join(b"m.%d.%d 1 1\n" % (number, n) for n in range(count))


class SpoolTestCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def make(self, size=SIZE, directory=None):
        return spool.Spool(directory or self.directory, "a_2003", size)

    def contents(self, made):
        return [row.lines for row in made.read(0, 1 << 30)]

    def sql(self, made, statement, *args):
        """Run a statement on a spool's file, behind its back."""
        with contextlib.closing(sqlite3.connect(made.path)) as connection:
            with connection:
                return connection.execute(statement, args).fetchall()


class SpoolTest(SpoolTestCase):

    def test_what_was_written_is_read_in_its_order(self):
        made = self.make()
        ids, dropped = made.append([(lines(1), 1), (lines(2, 3), 3)])
        self.assertEqual(0, dropped)
        self.assertEqual([(ids[0], 1, lines(1)), (ids[1], 3, lines(2, 3))],
                         made.read(0, 100))

    def test_no_more_rows_are_read_than_hold_the_count(self):
        made = self.make()
        made.append([(lines(n, 10), 10) for n in range(5)])
        self.assertEqual(2, len(made.read(0, 11)))

    def test_one_row_is_read_however_many_lines_it_has(self):
        made = self.make()
        made.append([(lines(1, 10), 10), (lines(2), 1)])
        self.assertEqual(1, len(made.read(0, 1)))

    def test_reading_goes_on_after_an_id(self):
        made = self.make()
        ids, _ = made.append([(lines(n), 1) for n in range(3)])
        self.assertEqual(ids[1:], [row.id for row in made.read(ids[0], 100)])

    def test_what_was_deleted_is_gone_and_the_rest_stays(self):
        made = self.make()
        ids, _ = made.append([(lines(n), 1) for n in range(3)])
        made.delete([ids[0], ids[2]])
        self.assertEqual([lines(1)], self.contents(made))

    def test_it_outlives_its_process(self):
        self.make().append([(lines(1), 1)])
        self.assertEqual([lines(1)], self.contents(self.make()))

    def test_it_outlives_a_process_that_is_killed(self):
        subprocess.run([sys.executable, "-c", textwrap.dedent("""
            import os, signal, sys
            from ceilometer_graphite import spool
            made = spool.Spool(sys.argv[1], "a_2003", 1 << 20)
            for number in range(100):
                made.append([(b"m.%d 1 1\\n" % number, 1)])
            os.kill(os.getpid(), signal.SIGKILL)
            """), self.directory])
        self.assertEqual([b"m.%d 1 1\n" % number for number in range(100)],
                         self.contents(self.make()))

    def test_several_may_write_at_once(self):
        one, other = self.make(), self.make()
        for number in range(20):
            one.append([(lines(number), 1)])
            other.append([(lines(number + 20), 1)])
        self.assertEqual({lines(number) for number in range(40)},
                         set(self.contents(one)))

    def test_only_one_of_them_sends(self):
        one, other = self.make(), self.make()
        self.assertTrue(one.claim())
        self.assertTrue(one.claim())
        self.assertFalse(other.claim())

    def test_another_sends_when_the_first_is_gone(self):
        path = self.make().path + ".lock"
        with open(path, "w") as gone:
            fcntl.flock(gone, fcntl.LOCK_EX)
            other = self.make()
            self.assertFalse(other.claim())
        self.assertTrue(other.claim())

    def test_its_folder_is_made_and_is_for_its_user_only(self):
        directory = os.path.join(self.directory, "a", "b")
        self.assertTrue(self.make(directory=directory).claim())
        self.make(directory=directory).append([(lines(1), 1)])
        self.assertEqual(0o700, os.stat(directory).st_mode & 0o777)

    def test_ids_are_never_used_again(self):
        made = self.make()
        ids, _ = made.append([(lines(1), 1)])
        made.delete(ids)
        again, _ = made.append([(lines(2), 1)])
        self.assertGreater(again[0], ids[0])


class SpoolSizeTest(SpoolTestCase):

    def test_the_oldest_lines_are_dropped_and_counted_when_full(self):
        made = self.make(size=100 * 1024)
        dropped = sum(made.append([(lines(n, 100), 100)])[1]
                      for n in range(200))
        kept = self.contents(made)
        self.assertGreater(len(kept), 10)
        self.assertEqual([lines(n, 100) for n in range(200 - len(kept), 200)],
                         kept)
        self.assertEqual(20000, dropped + 100 * len(kept))

    def test_the_file_stays_within_its_size_but_for_one_batch(self):
        made = self.make(size=100 * 1024)
        made.append([(lines(n, 100), 100) for n in range(2000)])
        self.sql(made, "PRAGMA wal_checkpoint(TRUNCATE)")
        self.assertLessEqual(os.path.getsize(made.path), 108 * 1024)
        self.assertLessEqual(made.bytes(), 100 * 1024)

    def test_a_batch_that_never_fits_is_counted(self):
        made = self.make(size=100 * 1024)
        _, dropped = made.append([(lines(1, 20000), 20000)])
        self.assertEqual(20000, dropped)
        self.assertEqual([], self.contents(made))

    def test_it_says_how_much_is_in_use(self):
        made = self.make()
        self.assertEqual(0, made.bytes())
        ids, _ = made.append([(lines(1, 1000), 1000)])
        self.assertGreater(made.bytes(), len(lines(1, 1000)))
        made.delete(ids)
        self.assertEqual(0, made.bytes())

    def test_the_disk_gets_its_space_back(self):
        made = self.make()
        ids, _ = made.append([(lines(n, 1000), 1000) for n in range(50)])
        self.sql(made, "PRAGMA wal_checkpoint(TRUNCATE)")
        full = os.path.getsize(made.path)
        made.delete(ids)
        self.sql(made, "PRAGMA wal_checkpoint(TRUNCATE)")
        self.assertLess(os.path.getsize(made.path), full / 10)


def _write(offset, content):
    def damage(path):
        with open(path, "r+b") as file:
            file.seek(offset, os.SEEK_END if offset < 0 else os.SEEK_SET)
            file.write(content)
    return damage


def _truncate(size):
    def damage(path):
        os.truncate(path, size)
    return damage


def _sql(*statements):
    def damage(path):
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
    return damage


def _remove(path):
    os.unlink(path)


class BrokenSpoolTest(SpoolTestCase):

    BROKEN = {
        "a text": _write(0, b"this is no database" * 100),
        "a header of zeros": _write(0, bytes(4096)),
        "half of its pages": _truncate(8192),
        "a part of a page": _truncate(5000),
        "zeros in the middle": _write(4096, bytes(40000)),
        "garbage in the middle": _write(4096, b"\xa5" * 40000),
        "another table": _sql(
            "DROP TABLE batches", "CREATE TABLE batches (a TEXT)"),
        "no table": _sql("DROP TABLE batches", "CREATE TABLE b (a TEXT)"),
    }

    def filled(self):
        """A spool's file, with 50 rows, which nobody uses."""
        made = self.make()
        made.append([(lines(n, 100), 100) for n in range(50)])
        made._connection.close()
        return made.path

    def append_at_last(self, made, *batches):
        """Append, as a caller does who tries again."""
        for _ in range(3):
            with contextlib.suppress(spool.SpoolError):
                return made.append(list(batches))
        return self.fail("it takes no more lines")

    def read_at_last(self, made):
        for _ in range(3):
            with contextlib.suppress(spool.SpoolError):
                return made.read(0, 1 << 30)
        return self.fail("it gives no lines")

    def test_a_broken_file_takes_lines_again_and_gives_back_no_others(self):
        for what, damage in self.BROKEN.items():
            with self.subTest(what):
                self.directory = self.useFixture(fixtures.TempDir()).path
                damage(self.filled())
                made = self.make()
                self.append_at_last(made, (lines(1000), 1))
                good = {lines(n, 100) for n in range(50)} | {lines(1000)}
                found = [row.lines for row in self.read_at_last(made)
                         if row.lines is not None]
                self.assertEqual(lines(1000), found[-1])
                self.assertLessEqual(set(found), good)

    def test_a_broken_file_is_set_aside_whole(self):
        _write(4096, b"\xa5" * 40000)(self.filled())
        made = self.make()
        with open(made.path, "rb") as file:
            before = file.read()
        error = self.assertRaises(spool.BrokenSpoolError, made.append,
                                  [(lines(1), 1)])
        self.assertIn(made.path + ".broken", str(error))
        with open(made.path + ".broken", "rb") as file:
            self.assertEqual(len(before), len(file.read()))

    def test_an_empty_file_is_begun(self):
        path = self.filled()
        os.truncate(path, 0)
        made = self.make()
        self.append_at_last(made, (lines(1), 1))
        self.assertEqual([lines(1)], self.contents(made))

    def test_a_changed_line_costs_its_row_only(self):
        path = self.filled()
        with open(path, "r+b") as file:
            content = file.read()
            file.seek(content.index(lines(20, 100)) + 5)
            file.write(b"X")
        rows = self.make().read(0, 1 << 30)
        self.assertEqual([20], [number for number, row in enumerate(rows)
                                if row.lines is None])
        self.assertEqual([lines(n, 100) for n in range(50) if n != 20],
                         [row.lines for row in rows if row.lines])

    def test_whatever_a_row_holds_it_is_no_exception(self):
        for column, value in (
                ("count", 1 << 62), ("count", -1), ("count", "many"),
                ("count", b"\xff"), ("crc", "x"), ("crc", 0),
                ("lines", "text"), ("lines", 5), ("lines", b"")):
            with self.subTest("%s = %r" % (column, value)):
                self.directory = self.useFixture(fixtures.TempDir()).path
                made = self.make()
                ids, _ = made.append([(lines(n), 1) for n in range(3)])
                self.sql(made, "UPDATE batches SET %s = ? WHERE id = ?"
                         % column, value, ids[1])
                rows = made.read(0, 3)
                self.assertEqual([lines(0), None, lines(2)],
                                 [row.lines for row in rows])
                self.assertEqual([1, 1, 1], [row.count for row in rows])

    def test_a_text_that_is_no_utf8_is_no_exception(self):
        made = self.make()
        made.append([(lines(1), 1)])
        self.sql(made, "UPDATE batches SET lines = CAST(x'ff' AS TEXT)")
        self.assertIsNone(made.read(0, 1)[0].lines)

    def test_a_file_that_was_removed_is_begun_again(self):
        made = self.make()
        made.append([(lines(1), 1)])
        _remove(made.path)
        self.append_at_last(made, (lines(2), 1))
        self.assertEqual([lines(2)], self.contents(self.make()))

    def test_a_file_that_broke_while_in_use_is_noticed(self):
        made = self.make()
        made.append([(lines(n, 100), 100) for n in range(50)])
        self.sql(made, "PRAGMA wal_checkpoint(TRUNCATE)")
        _write(0, b"\xa5" * 60000)(made.path)
        self.append_at_last(made, (lines(1), 1))
        self.assertIn(lines(1), self.contents(self.make()))

    def test_a_file_that_another_process_set_aside_is_let_go(self):
        """Else its lines would go to a file that nobody reads."""
        made, other = self.make(), self.make()
        made.append([(lines(1), 1)])
        os.replace(made.path, made.path + ".broken")
        other.append([(lines(2), 1)])
        self.append_at_last(made, (lines(3), 1))
        self.assertEqual([lines(2), lines(3)], self.contents(other))

    def test_the_good_file_of_another_process_is_not_set_aside(self):
        made, other = self.make(), self.make()
        made.append([(lines(1), 1)])
        os.replace(made.path, made.path + ".broken")
        other.append([(lines(2), 1)])
        self.assertRaises(spool.BrokenSpoolError, made.bytes)
        self.assertEqual([lines(2)], self.contents(made))
        self.assertEqual([lines(2)], self.contents(other))

    def test_a_new_file_has_no_id_of_an_old_one(self):
        """What is under way from the old one is deleted by its ids."""
        made = self.make()
        old, _ = made.append([(lines(n), 1) for n in range(10)])
        _remove(made.path)
        new, _ = self.append_at_last(
            made, *((lines(n), 1) for n in range(10)))
        self.assertEqual(set(), set(old) & set(new))


class DiskTest(SpoolTestCase):

    def test_a_folder_that_cannot_be_made_is_a_spool_error(self):
        path = os.path.join(self.directory, "file")
        open(path, "w").close()
        made = self.make(directory=os.path.join(path, "spool"))
        for function, *args in ((made.append, [(lines(1), 1)]),
                                (made.read, 0, 1), (made.bytes,),
                                (made.delete, [1])):
            error = self.assertRaises(spool.SpoolError, function, *args)
            self.assertNotIsInstance(error, spool.BrokenSpoolError)
            self.assertIn(path, str(error))

    def test_lines_are_sent_where_nothing_can_be_locked(self):
        made = self.make()
        os.makedirs(made.path + ".lock")
        self.assertTrue(made.claim())

    def test_it_works_again_when_the_disk_does(self):
        path = os.path.join(self.directory, "file")
        open(path, "w").close()
        made = self.make(directory=path)
        self.assertRaises(spool.SpoolError, made.append, [(lines(1), 1)])
        os.unlink(path)
        made.append([(lines(2), 1)])
        self.assertEqual([lines(2)], self.contents(made))

    def test_a_folder_in_the_place_of_the_file_is_a_spool_error(self):
        os.mkdir(self.make().path)
        made = self.make()
        error = self.assertRaises(spool.SpoolError, made.append,
                                  [(lines(1), 1)])
        self.assertNotIsInstance(error, spool.BrokenSpoolError)

    def test_a_file_that_is_in_use_is_an_error_in_time_and_stays(self):
        made = self.make()
        made.append([(lines(1), 1)])
        with contextlib.closing(sqlite3.connect(made.path)) as other:
            other.execute("BEGIN EXCLUSIVE")
            error = self.assertRaises(spool.SpoolError, made.append,
                                      [(lines(2), 1)])
        self.assertNotIsInstance(error, spool.BrokenSpoolError)
        self.assertIn("locked", str(error))
        self.assertEqual([lines(1)], self.contents(made))

    def test_nothing_of_what_failed_half_way_is_kept(self):
        made = self.make()
        made.append([(lines(1), 1)])
        self.sql(made, "CREATE TRIGGER full BEFORE INSERT ON batches WHEN "
                 "new.count = 3 BEGIN SELECT RAISE(ABORT, 'full'); END")
        self.assertRaises(spool.SpoolError, made.append,
                          [(lines(2, 2), 2), (lines(3, 3), 3)])
        self.assertEqual([lines(1)], self.contents(made))
