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

"""The spool: copies of waiting lines on disk. Only this module uses the disk.

The spool has a folder for each set of endpoints, with gzip files of plain
lines, so ``zcat *.lines.gz | nc graphite 2003`` sends them by hand. Each batch
is a gzip member. Its header has its length, the number of its lines, and the
number of lines before it in the file, so a damaged member loses its own lines
only, and these can be counted.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import errno
import fcntl
import logging
import os
import re
import secrets
import stat
import struct
import threading
import time
import zlib

from oslo_log import log

from ceilometer_graphite import outbox
from ceilometer_graphite import sanitize
from ceilometer_graphite import stats
from ceilometer_graphite import throttle
from ceilometer_graphite import transports

LOG = log.getLogger(__name__)

# Lines that wait longer than this are copied to disk.
WAITED_SECONDS = 0.5
# Pause after an error of the disk.
RETRY_SECONDS = 5.0
_PAUSE_SECONDS = 0.25
_HURRIED_PAUSE_SECONDS = 0.02
# Bytes of lines after which a new file is begun.
FILE_BYTES = 1024 * 1024
_ENDPOINTS = "endpoints"
# Nanoseconds since 1970 when the file was made, and its process.
_NAME = re.compile(r"\d{20}\.(?P<owner>[0-9a-f]+)\.lines\.gz")
_LOCK_NAME = re.compile(r"(?P<owner>[0-9a-f]+)\.lock")

# RFC 1952, 2.3: magic, deflate, FEXTRA, no time, fastest, Unix; length of the
# extra field; our subfield: bytes of the member, number of its lines, number
# of lines before it. The subfield ends with a checksum of all this.
_HEADER = struct.Struct("<4s6sH2sHIII")
_CHECKSUM = struct.Struct("<H")
_MAGIC = b"\x1f\x8b\x08\x04"
_ID = b"CG"
_HEADER_BYTES = _HEADER.size + _CHECKSUM.size
_TRAILER = struct.Struct("<II")


def pack(lines: bytes, count: int, before: int) -> bytes:
    """Compress lines to one gzip member.

    :param count: number of the lines
    :param before: number of lines before them in the file
    """
    deflate = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    body = deflate.compress(lines) + deflate.flush()
    header = _HEADER.pack(
        _MAGIC, b"\0\0\0\0\4\3", 18, _ID, 14,
        _HEADER_BYTES + len(body) + _TRAILER.size, count, before)
    return b"".join((
        header, _CHECKSUM.pack(zlib.crc32(header) & 0xffff), body,
        _TRAILER.pack(zlib.crc32(lines), len(lines))))


def unpack(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Read the undamaged members of a file.

    :returns: pairs of the number of lines before a member, and its lines
    """
    start = data.find(_MAGIC)
    while start >= 0:
        header, end = _header(data, start), start + 1
        if header is not None:
            size, _, before = header
            inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
            with contextlib.suppress(zlib.error):
                lines = inflate.decompress(data[start:start + size])
                if inflate.eof:
                    yield before, lines
                    end = start + size
        start = data.find(_MAGIC, end)


def count_lines(data: bytes) -> int:
    """Number of lines in a file, by the last header in it."""
    start = len(data)
    while (start := data.rfind(_MAGIC, 0, start)) >= 0:
        header = _header(data, start)
        if header is not None:
            return header[1] + header[2]
    return 0


def _header(data: bytes, start: int) -> tuple[int, int, int] | None:
    """Return a member's bytes and number of lines, and the lines before."""
    end = start + _HEADER.size
    header, checksum = data[start:end], data[end:start + _HEADER_BYTES]
    if checksum != _CHECKSUM.pack(zlib.crc32(header) & 0xffff):
        return None
    return _HEADER.unpack(header)[-3:]


class SpoolFile:
    """A file of the spool, with the attributes of ``outbox.File``.

    :param is_new: whether to create it; it can be appended to until it is
        closed
    :ivar size: bytes on disk
    :ivar raw_bytes: bytes of the lines that were appended
    :raises OSError: if the file cannot be created or read
    """

    def __init__(self, path: str, is_new: bool = False) -> None:
        self.path = path
        self.size = self.raw_bytes = self._lines = self.left = 0
        self.in_memory = 0
        self.done: set[int] = set()
        self._fd = -1
        if is_new:
            self._fd = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        else:
            data = read(path)
            self.size, self.left = len(data), count_lines(data)

    def append(self, batches: list[outbox.Batch]) -> None:
        """Write each batch as a member, and set its place.

        :raises OSError: if not everything was written; the file is
            unchanged and closed then
        """
        members, count = [], self._lines
        for batch in batches:
            batch.place = count
            members.append(pack(batch.lines, batch.count, count))
            count += batch.count
        data = memoryview(b"".join(members))
        try:
            while data:
                data = data[os.write(self._fd, data):]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self.size)
            self.close()
            raise
        self.size = os.lseek(self._fd, 0, os.SEEK_CUR)
        self.raw_bytes += sum(len(batch.lines) for batch in batches)
        self._lines = count

    def close(self) -> None:
        """End appending."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def is_open(self) -> bool:
        """Whether it can be appended to."""
        return self._fd >= 0

    def batches(self, now: float) -> list[outbox.Batch]:
        """Read the batches that are not confirmed.

        :param now: monotonic seconds
        :raises OSError: if the file cannot be read
        """
        self.close()
        made_at = _made_at(self.path) / 1e9
        # Not later than now, if the clock was set back.
        since = now - max(0.0, time.time() - made_at)
        try:
            data = read(self.path)
        except FileNotFoundError:
            data = b""
        return [outbox.Batch(lines, lines.count(b"\n"),
                             since, before)
                for before, lines in unpack(data) if before not in self.done]


class Spool:
    """Copies waiting lines to files, and loads those that left memory.

    It works in a thread of its own, which no other thread waits for. A file
    is deleted when its lines are confirmed. The files of a process that is
    gone are taken over by the next process with one of its endpoints.

    :param settings: of :mod:`~ceilometer_graphite.settings`
    :param box: the :class:`~ceilometer_graphite.outbox.Outbox`
    :param counts: a :class:`~ceilometer_graphite.stats.Counts`
    :param link: whose ``is_connected`` and ``is_stalled`` tell how the
        receiver is, and whose ``wake`` is told of lines that came back, as
        :class:`~ceilometer_graphite.sender.Sender` has them
    :param clock: monotonic seconds
    """

    def __init__(self, settings, box: outbox.Outbox, counts: stats.Counts,
                 link, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = settings.spool_dir
        self._endpoints = endpoints_text(settings.endpoints)
        self._size = settings.spool_size
        self._file_bytes = min(FILE_BYTES, settings.buffer_size // 4)
        self._box = box
        self._counts = counts
        self._link = link
        self._clock = clock
        self._throttle = throttle.Throttle(LOG)
        self._folder = folder_of(self._root, self._endpoints)
        self._owner, self._lock_fd = "", -1
        self._adopt_at = 0.0
        self._files: list[SpoolFile] = []  # oldest first
        self._wake = threading.Event()
        self._is_failing = False
        self._is_ending = False
        self._is_closing = False
        box.on_wait = self.wake
        self._thread = threading.Thread(
            target=self._run, name="graphite-spool", daemon=True)

    def start(self) -> None:
        """Start the thread.

        :raises RuntimeError: if the system cannot start a thread
        """
        self._thread.start()

    def wake(self) -> None:
        """Wake the thread, because new lines wait."""
        if not self._wake.is_set():
            self._wake.set()

    def hurry(self) -> None:
        """Save lines without delay from now on; takes no lock.

        A thread that sleeps first ends its short sleep. In that time the
        sender may deliver the lines.
        """
        self._is_ending = True

    def close(self) -> None:
        """End the thread when everything is saved; after :meth:`hurry`."""
        self._is_closing = True
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, seconds))

    def abandon(self) -> None:
        """Close the lock and the files; a forked child has to."""
        for file in self._files:
            file.close()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def bytes(self) -> int:
        """Bytes on disk."""
        return sum(file.size for file in tuple(self._files))

    # The thread

    def _run(self) -> None:
        while not (self._is_closing and self._box.is_done()):
            try:
                self.step()
                self._works()
            except Exception as e:
                self._failed(e, is_news=not self._is_failing)
                self._is_failing = True
                until = time.monotonic() + RETRY_SECONDS
                while not self._is_ending and time.monotonic() < until:
                    time.sleep(_PAUSE_SECONDS)
            if self._is_ending:
                time.sleep(_HURRIED_PAUSE_SECONDS)
            elif self._files or not self._box.is_done():
                time.sleep(_PAUSE_SECONDS)
            else:
                self._wake.wait()
                self._wake.clear()
                time.sleep(WAITED_SECONDS)
        with contextlib.suppress(OSError):
            self._clean()
            self.unlock()

    def _failed(self, error: Exception, is_news: bool = False) -> None:
        known = isinstance(error, OSError)
        path = getattr(error, "filename", None)
        say = self._throttle.log_always if is_news else self._throttle.log
        say(logging.ERROR, type(error), "The spool in %s cannot be used, and "
            "lines wait in memory: %s%s", self._root,
            getattr(error, "strerror", None) or error,
            ": %s" % path if path else "",
            exc_info=None if known else error)

    def _works(self) -> None:
        if self._is_failing:
            self._is_failing = False
            LOG.info("The spool in %s can be used again", self._root)

    def step(self) -> None:
        """Save, delete and load what is due.

        :raises OSError: if the disk fails
        """
        if self._lock_fd >= 0 and not os.path.exists(
                self._folder.lock_path(self._owner)):
            self._start_over()
        if self._lock_fd < 0:
            self._folder.make(self._endpoints)
            self._owner, self._lock_fd = self._folder.lock_new()
            self._adopt_at = self._clock()
        if self._clock() >= self._adopt_at:
            self._adopt()
        since = self._clock() - (0 if self._is_ending else WAITED_SECONDS)
        try:
            self._save(self._box.unsaved(
                since, self._is_ending or self._link.is_stalled))
        finally:
            self._clean()
        self._read()

    def _start_over(self) -> None:
        """Write again what memory has, after the folder was deleted."""
        self.abandon()
        for file in self._files:
            self._box.forget(file)
        # The others are adopted. Lines of these are counted when it is read.
        self._files = [file for file in self._files
                       if not os.path.exists(file.path)]

    def _adopt(self) -> None:
        """Take over the files of processes that are gone."""
        self._adopt_at = self._clock() + RETRY_SECONDS
        found = folders(self._root)
        self._adopt_at = float("inf")
        mine = set(self._endpoints.split(","))
        for folder in found:
            try:
                if not mine & set(folder.endpoints()):
                    self._tell_of(folder)
                    continue
                for owner in folder.owners() - {self._owner}:
                    self._adopt_from(folder, owner)
            except OSError as e:
                self._adopt_failed(e)
        self._files.sort(key=lambda file: os.path.basename(file.path))

    def _adopt_from(self, folder: "Folder", owner: str) -> None:
        try:
            for path in folder.adopt(owner, self._folder, self._owner):
                file = SpoolFile(path)
                self._files.append(file)
                if file.size and not file.left:
                    LOG.warning("No line of %s can be read, and it is "
                                "deleted", path)
        except OSError as e:
            self._adopt_failed(e)

    def _adopt_failed(self, error: OSError) -> None:
        self._adopt_at = self._clock() + RETRY_SECONDS
        self._failed(error)

    def _tell_of(self, folder: "Folder") -> None:
        count = folder.count_left()
        if count:
            LOG.warning(
                "%s has %d lines for %s, which is no endpoint any more. Send "
                "them with: ceilometer-graphite spool send %s graphite://%s",
                folder.path, count, ",".join(folder.endpoints()),
                os.path.basename(folder.path), self._endpoints)

    def _save(self, batches: list[outbox.Batch]) -> None:
        while batches:
            if not self._files or not self._files[-1].is_open():
                self._files.append(SpoolFile(self._folder.path_of(
                    self._owner, time.time_ns()), is_new=True))
            file = self._files[-1]
            size = count = 0
            for batch in batches:
                if file.raw_bytes + size >= self._file_bytes:
                    break
                size += len(batch.lines)
                count += 1
            file.append(batches[:count])
            self._box.saved(batches[:count], file)
            batches = batches[count:]
            if file.raw_bytes >= self._file_bytes:
                file.close()

    def _clean(self) -> None:
        """Delete delivered files, and the oldest ones above spool_size."""
        for file in list(self._files):
            if not file.left:
                self._delete(file)
        while self.bytes() > self._size:
            file = self._files[0]
            lost = file.left - self._box.drop(file)
            self._delete(file)
            if lost > 0:
                self._counts.warn(
                    stats.DROPPED + "spool_full", lost, "%d lines, the "
                    "oldest, were dropped: more than [graphite] spool_size "
                    "= %d bytes waited on disk", lost, self._size)

    def _delete(self, file: SpoolFile) -> None:
        file.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file.path)
        self._files.remove(file)

    def _read(self) -> None:
        """Load a file that is not in memory, if it can be sent."""
        file = next((each for each in self._files if not each.in_memory), None)
        if (file is None or not self._link.is_connected
                or self._box.room() < self._file_bytes):
            return
        try:
            batches = file.batches(self._clock())
        except OSError:
            # Do not try again, so that the other files are read.
            self._files.remove(file)
            raise
        lost = file.left - sum(batch.count for batch in batches)
        file.left -= lost
        self._box.load(batches, file)
        self._link.wake()
        if lost > 0:
            self._counts.warn(
                stats.DROPPED + "spool_corrupt", lost,
                "%d lines were dropped: %s is damaged", lost, file.path)

    def unlock(self) -> None:
        """Leave the remaining files to the next process."""
        if self._lock_fd >= 0 and not self._files:
            self._folder.delete_lock(self._owner)
        self.abandon()


class Folder:
    """The files for one set of endpoints.

    Each file belongs to a process, its owner. A running process holds a lock
    on ``OWNER.lock``.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def make(self, endpoints: str) -> None:
        """Make the folder, if it is missing, with access for this user only.

        :raises OSError: if that fails, or it belongs to another user
        """
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.path, mode=0o700)
        fd = os.open(self.path,
                     os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(fd).st_uid != os.geteuid():
                raise PermissionError(
                    errno.EPERM, "it belongs to another user", self.path)
            os.fchmod(fd, 0o700)
        finally:
            os.close(fd)
        with contextlib.suppress(OSError):
            if self.endpoints() == endpoints.split(","):
                return
        fd = _open(os.path.join(self.path, _ENDPOINTS),
                   os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        with open(fd, "w", encoding="utf-8") as file:
            file.write(endpoints + "\n")

    def endpoints(self) -> list[str]:
        """The endpoints of its lines, each as ``host:port``."""
        return read(os.path.join(self.path, _ENDPOINTS)).decode(
            "utf-8", "replace").strip().split(",")

    def owners(self) -> set[str]:
        """All owners of a file or of a lock."""
        found = (_NAME.fullmatch(name) or _LOCK_NAME.fullmatch(name)
                 for name in os.listdir(self.path))
        return {match["owner"] for match in found if match}

    def files(self, *owners: str) -> list[str]:
        """The paths of the files of these owners, or of all.

        :returns: the paths, the oldest file first
        """
        found = map(_NAME.fullmatch, sorted(os.listdir(self.path)))
        return [os.path.join(self.path, match.string) for match in found
                if match and (not owners or match["owner"] in owners)]

    def path_of(self, owner: str, made_at: int) -> str:
        """The path of a file that was made at these nanoseconds."""
        return os.path.join(self.path, "%020d.%s.lines.gz" % (made_at, owner))

    def size(self) -> int:
        """Bytes on disk."""
        size = 0
        for path in self.files():
            with contextlib.suppress(FileNotFoundError):
                size += os.path.getsize(path)
        return size

    def contents(self, *owners: str) -> Iterator[bytes]:
        """Each file of these owners, or all, that no agent has deleted."""
        for path in self.files(*owners):
            with contextlib.suppress(FileNotFoundError):
                yield read(path)

    def count_lines(self) -> int:
        """Number of lines in the folder."""
        return sum(map(count_lines, self.contents()))

    def count_left(self) -> int:
        """Number of lines that no running process will send."""
        count = 0
        for owner in self.owners():
            is_new = not os.path.exists(self.lock_path(owner))
            fd = self.lock(owner)
            if fd is not None:
                if is_new:
                    self.delete_lock(owner)
                os.close(fd)
                count += sum(map(count_lines, self.contents(owner)))
        return count

    def lock_new(self) -> tuple[str, int]:
        """Make and lock a new owner.

        :returns: the owner, and a descriptor that holds its lock
        """
        while True:
            owner = secrets.token_hex(8)
            fd = self.lock(owner)
            # Another process may have deleted the file in between.
            if fd is not None:
                return owner, fd

    def lock(self, owner: str) -> int | None:
        """Lock the files of an owner.

        :returns: a descriptor that holds the lock until it is closed, or
            None if the owner is a running process
        """
        path = self.lock_path(owner)
        fd = _open(path, os.O_RDWR | os.O_CREAT)
        try:
            # If root makes it, the agent has to be able to open it.
            os.chown(fd, os.stat(self.path).st_uid, -1)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(fd).st_ino:
                return fd
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(fd)
        return None

    def delete_lock(self, owner: str) -> None:
        """Delete the lock of an owner; the caller has to hold it."""
        os.unlink(self.lock_path(owner))

    def lock_path(self, owner: str) -> str:
        """The path of the lock of an owner."""
        return os.path.join(self.path, owner + ".lock")

    def adopt(self, owner: str, other: "Folder", mine: str) -> Iterator[str]:
        """Rename the files of a process that is gone to those of another.

        :param other: the folder of the other process
        :param mine: the owner of the other process
        :returns: the new paths; none if the first process is running
        """
        fd = self.lock(owner)
        if fd is None:
            return
        try:
            for path in self.files(owner):
                made_at = _made_at(path)
                while os.path.exists(new := other.path_of(mine, made_at)):
                    made_at += 1
                os.rename(path, new)
                yield new
            self.delete_lock(owner)
        finally:
            os.close(fd)


def folder_of(root: str, endpoints: str) -> Folder:
    """The folder of a set of endpoints in a spool_dir."""
    return Folder(os.path.join(root, sanitize.component(endpoints)))


def folders(root: str) -> list[Folder]:
    """The folders of all sets of endpoints in a spool_dir.

    :raises OSError: if it cannot be read
    """
    return [Folder(entry.path)
            for entry in sorted(os.scandir(root), key=lambda each: each.name)
            if entry.is_dir(follow_symlinks=False)
            and os.path.exists(os.path.join(entry.path, _ENDPOINTS))]


def endpoints_text(endpoints: tuple) -> str:
    """The name of a set of endpoints, ``host:port,host:port``."""
    return ",".join(map(transports.endpoint_text, endpoints))


def read(path: str) -> bytes:
    """Read a whole file.

    :raises OSError: if it cannot be read, or is not a regular file
    """
    # O_NONBLOCK, because opening a FIFO would wait.
    with open(_open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file", path)
        return file.read()


def _made_at(path: str) -> int:
    """Nanoseconds since 1970 when a file was made, from its name."""
    return int(os.path.basename(path)[:20])


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
