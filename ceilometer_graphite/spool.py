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

"""Lines that wait on disk: the only user of files.

One SQLite file for each set of endpoints, which several processes may share.
It outlives a killed process and a reboot.
"""

import contextlib
import fcntl
import os
import sqlite3
import threading
import typing
import zlib

BUSY_TIMEOUT_SECONDS = 2.0
_PRAGMAS = """
PRAGMA journal_mode = WAL;
PRAGMA journal_size_limit = 1048576;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    count INTEGER NOT NULL,
    crc INTEGER NOT NULL,
    lines BLOB NOT NULL);
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'batches', random() & ((1 << 61) - 1)
    WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence);
"""
# What SQLite says of a file that is none of its own, or not any more.
_BROKEN = ("malformed", "not a database", "no such table", "no such column",
           "has no column", "datatype mismatch", "unsupported file format",
           "is a view", "constraint failed")


class SpoolError(Exception):
    """The disk did not take or give lines; says why."""


class BrokenSpoolError(SpoolError):
    """The file was broken; it was set aside, and the next call has a new."""


class Row(typing.NamedTuple):
    """One batch on disk; None and 1 where the disk changed it."""

    id: int
    count: int
    lines: bytes | None


class Spool:
    """A bounded queue of batches in a file.

    Safe for concurrent callers, also of other processes. Every method
    raises :class:`SpoolError` for whatever the disk or the file does; a file
    that turns out to be broken is renamed to end in ``.broken``, in the
    place of an earlier such file, and a new one is begun, in which no id is
    one of the old.

    :param directory: made when it is missing
    :param name: of the file, without its ending
    :param size: bytes of the file at most, but for one batch and SQLite's
        own log beside it
    """

    def __init__(self, directory, name, size):
        self.path = os.path.join(directory, name + ".sqlite")
        self.size = size
        self._lock = threading.Lock()
        self._connection = None
        self._file = None
        self._checked = None
        self._claim = None

    def append(self, batches):
        """Write batches, and drop the oldest while the file is too large.

        :param batches: a list of (lines, count)
        :returns: the ids of their rows, and how many lines were dropped
        """
        ids, dropped = [], 0
        with self._opened() as connection, connection:
            for lines, count in batches:
                ids.append(connection.execute(
                    "INSERT INTO batches (count, crc, lines) "
                    "VALUES (?, ?, ?)",
                    (count, zlib.crc32(lines), lines)).lastrowid)
                dropped += self._trim(connection)
        return ids, dropped

    def read(self, after_id, count, without=()):
        """The oldest rows, of some lines together and one row at least.

        :param after_id: rows up to this id are left out
        :param count: how many lines
        :param without: ids that are left out as well
        """
        rows = []
        with self._opened() as connection:
            for row_id, in connection.execute(
                    "SELECT id FROM batches WHERE id > ? ORDER BY id",
                    (after_id,)):
                if row_id in without:
                    continue
                row_count, crc, lines = connection.execute(
                    "SELECT count, crc, lines FROM batches WHERE id = ?",
                    (row_id,)).fetchone()
                intact = (isinstance(lines, bytes)
                          and zlib.crc32(lines) == crc
                          and lines.count(b"\n") == row_count)
                rows.append(Row(row_id, row_count, lines) if intact
                            else Row(row_id, 1, None))
                count -= rows[-1].count
                if count <= 0:
                    break
        return rows

    def delete(self, ids):
        """Forget rows, whose lines were delivered."""
        with self._opened() as connection, connection:
            connection.executemany("DELETE FROM batches WHERE id = ?",
                                   [(row_id,) for row_id in ids])
            if not self._waits(connection):
                # The disk gets its space back; quick, as there is nothing.
                connection.executescript("VACUUM; PRAGMA wal_checkpoint")

    def bytes(self):
        """How much of the file is in use; 0 when no batch waits."""
        with self._opened() as connection:
            return self._used(connection) if self._waits(connection) else 0

    def claim(self):
        """Whether this is the one, of all that share the file, to send it.

        Once it is, it stays so until its process ends. Without a file to
        lock each is, because lines that come twice are better than none.
        """
        if self._claim is None:
            try:
                self._make_directory()
                file = open(self.path + ".lock", "w")
            except OSError:
                return True
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            self._claim = file
        return True

    @contextlib.contextmanager
    def _opened(self):
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._open()
                elif self._identity() != self._file:
                    raise sqlite3.DatabaseError("malformed: it was replaced")
                yield self._connection
            except (sqlite3.Error, OSError) as e:
                self._close()
                if any(word in str(e) for word in _BROKEN):
                    self._set_aside(e)
                raise SpoolError("%s: %s" % (self.path, e)) from e

    def _open(self):
        self._make_directory()
        self._file = self._identity()
        connection = sqlite3.connect(
            self.path, timeout=BUSY_TIMEOUT_SECONDS, check_same_thread=False)
        try:
            connection.text_factory = bytes
            connection.executescript(_PRAGMAS)
            self._file = self._identity()
            # Once, as it reads the whole file.
            if self._checked != self._file:
                found, = next(connection.execute("PRAGMA quick_check(1)"))
                if found != b"ok":
                    raise sqlite3.DatabaseError("malformed: %r" % found)
                self._checked = self._file
        except BaseException:
            connection.close()
            raise
        return connection

    def _identity(self):
        """Which file it is, because another process may replace it."""
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(self.path)
            return status.st_dev, status.st_ino
        return None

    def _make_directory(self):
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)

    def _close(self):
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _set_aside(self, error):
        broken = self.path + ".broken"
        try:
            if self._identity() != self._file:
                raise BrokenSpoolError("%s: %s" % (self.path, error))
            for ending in ("-wal", "-shm", ""):
                with contextlib.suppress(FileNotFoundError):
                    os.replace(self.path + ending, broken + ending)
        except OSError as e:
            raise SpoolError("%s: %s; it cannot be set aside: %s" % (
                self.path, error, e.strerror)) from error
        raise BrokenSpoolError("%s: %s; it was set aside as %s" % (
            self.path, error, broken)) from error

    def _trim(self, connection):
        dropped = 0
        while self._used(connection) > self.size:
            oldest = connection.execute(
                "SELECT id, CAST(count AS INTEGER) FROM batches "
                "ORDER BY id LIMIT 1").fetchone()
            if oldest is None:
                break
            connection.execute("DELETE FROM batches WHERE id = ?", oldest[:1])
            dropped += oldest[1]
        return dropped

    @staticmethod
    def _waits(connection):
        return connection.execute("SELECT 1 FROM batches LIMIT 1").fetchone()

    @staticmethod
    def _used(connection):
        return next(connection.execute(
            "SELECT (page_count - freelist_count) * page_size FROM "
            "pragma_page_count, pragma_freelist_count, pragma_page_size"))[0]
