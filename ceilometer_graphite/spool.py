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

"""The spool: copies on disk of lines that wait. The only user of the disk.

A folder has one subfolder for each set of endpoints, with gzip files of plain
lines, so that ``zcat *.lines.gz | nc graphite 2003`` sends them by hand. Each
flush is one gzip member, whose header says how long it is, and how many lines
it and the file before it hold. So a damaged member costs its own lines only,
and they can be counted.
"""

from collections.abc import Callable
from collections.abc import Iterable
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
import typing
import zlib

from oslo_log import log

from ceilometer_graphite import outbox
from ceilometer_graphite import sanitize
from ceilometer_graphite import stats
from ceilometer_graphite import throttle
from ceilometer_graphite import transports
from ceilometer_graphite import wire

LOG = log.getLogger(__name__)

# A line that waits for so long goes to disk, too.
WAITED_SECONDS = 0.5
# After a disk that took nothing.
RETRY_SECONDS = 5.0
# A file is closed at so many bytes of lines.
FILE_BYTES = 1024 * 1024
_SUFFIX = ".lines.gz"
_LOCK_SUFFIX = ".lock"
_NAME = re.compile(r"\d{20}\.(?P<owner>[0-9a-f]+)\.lines\.gz")
_ENDPOINTS = "endpoints"

# RFC 1952, 2.3: magic, deflate, FEXTRA, no time, fastest, Unix; the length of
# the extra field; our subfield: the bytes and the lines of the member, and the
# lines before it. A checksum of all this ends the subfield.
_HEADER = struct.Struct("<4s6sH2sHIII")
_CHECKSUM = struct.Struct("<H")
_MAGIC = b"\x1f\x8b\x08\x04"
_ID = b"CG"
_HEADER_BYTES = _HEADER.size + _CHECKSUM.size
_TRAILER = struct.Struct("<II")


class Member(typing.NamedTuple):
    """What one member of a file holds.

    :ivar lines: bytes of them; empty for a damaged member
    :ivar lost: how many lines could not be read before, or in it
    """

    lines: bytes
    lost: int


def pack(lines: bytes, count: int, before: int) -> bytes:
    """Lines as one gzip member.

    :param count: how many they are
    :param before: how many lines are before them in their file
    """
    deflate = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    body = deflate.compress(lines) + deflate.flush()
    header = _HEADER.pack(
        _MAGIC, b"\0\0\0\0\4\3", 18, _ID, 14,
        _HEADER_BYTES + len(body) + _TRAILER.size, count, before)
    return b"".join((
        header, _CHECKSUM.pack(zlib.crc32(header) & 0xffff), body,
        _TRAILER.pack(zlib.crc32(lines), len(lines))))


def unpack(data: bytes) -> Iterator[Member]:
    """The members of a file; after a damaged one it goes on at the next."""
    seen = total = 0
    start = data.find(_MAGIC)
    while start >= 0:
        header, end = _header(data, start), start + 1
        if header is not None:
            size, count, before = header
            total = before + count
            lines = _inflate(data[start:start + size])
            if lines is not None:
                yield Member(lines, before - seen)
                seen, end = total, start + size
        start = data.find(_MAGIC, end)
    if total > seen:
        yield Member(b"", total - seen)


def _header(data: bytes, start: int) -> tuple[int, int, int] | None:
    """The bytes and the lines of a member, and the lines before it."""
    end = start + _HEADER.size
    header, checksum = data[start:end], data[end:start + _HEADER_BYTES]
    if checksum != _CHECKSUM.pack(zlib.crc32(header) & 0xffff):
        return None
    return _HEADER.unpack(header)[-3:]


def _inflate(data: bytes) -> bytes | None:
    """The lines of a member; None when it is damaged."""
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        lines = inflate.decompress(data)
    except zlib.error:
        return None
    return lines if inflate.eof else None


def count_lines(data: bytes) -> int:
    """How many lines a file has, by the last header in it."""
    start = len(data)
    while (start := data.rfind(_MAGIC, 0, start)) >= 0:
        header = _header(data, start)
        if header is not None:
            return header[1] + header[2]
    return 0


class SpoolFile:
    """A file of the spool.

    :ivar size: bytes on disk
    :ivar lines: how many were written
    :ivar left: how many of its lines are not confirmed
    :ivar pending: how many batches in memory it holds a copy of
    :ivar incomplete: whether lines of it are in no batch in memory
    """

    def __init__(self, path: str, size: int = 0, lines: int = 0) -> None:
        self.path = path
        self.size = size
        self.lines = self.left = lines
        self.pending = 0
        self.incomplete = bool(size)

    @property
    def written_at(self) -> float:
        """Seconds since 1970 at which it was made."""
        return int(os.path.basename(self.path)[:20]) / 1e9


class Spool:
    """Copies what waits to files, and brings back what left memory.

    A thread of its own does all of it, and nobody waits for it. A file is
    deleted when its lines are confirmed. What a process leaves behind is
    taken over by the next one that sends to one of its endpoints.

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
        self._files: list[SpoolFile] = []  # oldest first
        self._locks: list[Lock] = []
        self._writer: Writer | None = None
        self._wake = threading.Event()
        self._is_failing = False
        self._is_ending = False
        self._is_closing = False
        self._thread = threading.Thread(
            target=self._run, name="graphite-spool", daemon=True)

    def start(self) -> None:
        """Start the thread.

        :raises RuntimeError: when the system gives none
        """
        self._thread.start()

    def wake(self) -> None:
        """Say that lines came."""
        if not self._wake.is_set():
            self._wake.set()

    def hurry(self) -> None:
        """Save all at once from now on; takes no lock."""
        self._is_ending = True
        self._wake.set()

    def close(self) -> None:
        """After :meth:`hurry`: end when nothing is left to save."""
        self._is_closing = True
        self._wake.set()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, seconds))

    def abandon(self) -> None:
        """Let go of locks and files, as a forked child of its parent's."""
        while self._locks:
            self._locks.pop().release(delete=False)
        self._close_writer()

    def bytes(self) -> int:
        """How much of the disk is in use."""
        return sum(file.size for file in tuple(self._files))

    # The thread

    def _run(self) -> None:
        while not (self._is_closing and self._box.is_done()):
            try:
                self.step()
                self._works()
                pause = WAITED_SECONDS / 2
            except Exception as e:
                self._failed(e, is_news=not self._is_failing)
                self._is_failing = True
                pause = RETRY_SECONDS
            if self._is_ending:
                time.sleep(0.02)
            elif self._files or not self._box.is_done():
                time.sleep(pause)
            else:
                self._wake.wait()
                self._wake.clear()
                time.sleep(WAITED_SECONDS)
        with contextlib.suppress(OSError):
            self._clean()
            self._unlock()

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
        """Save, delete and read what it is time for.

        :raises OSError: when the disk does not take or give it
        """
        if self._locks and not os.path.isdir(os.path.dirname(self._own.path)):
            self.abandon()  # somebody has deleted the folder
        if not self._locks:
            self._open()
        since = self._clock() - (0 if self._is_ending else WAITED_SECONDS)
        self._save(self._box.unsaved(
            since, self._is_ending or self._link.is_stalled))
        self._clean()
        self._read()

    def _open(self) -> None:
        folder = folder_of(self._root, self._endpoints)
        folder.make(self._endpoints)
        self._own = Lock.make(folder.path)
        self._locks.append(self._own)
        mine = set(self._endpoints.split(","))
        for other in folders(self._root):
            try:
                if mine & set(other.endpoints()):
                    self._take_over(other)
                else:
                    self._tell_of(other)
            except OSError as e:
                self._failed(e)

    def _take_over(self, folder: "Folder") -> None:
        """Adopt the files of processes that are gone."""
        for owner, paths in folder.by_owner().items():
            try:
                lock = Lock.take(folder.path, owner)
                if lock is None:
                    continue
                self._locks.append(lock)
                for path in paths:
                    data = _read(path)
                    self._files.append(
                        SpoolFile(path, len(data), count_lines(data)))
            except OSError as e:
                self._failed(e)
        self._files.sort(key=lambda file: os.path.basename(file.path))
        folder.tidy()

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
            if self._writer is None:
                self._writer = Writer(os.path.dirname(self._own.path),
                                      self._own.owner)
                self._files.append(self._writer.file)
            writer = self._writer
            group = [batches.pop(0)]
            while batches and writer.raw_bytes + sum(
                    len(each.lines) for each in group) < self._file_bytes:
                group.append(batches.pop(0))
            try:
                writer.append(group)
            except OSError:
                self._close_writer()
                raise
            self._box.saved(group, writer.file)
            if writer.raw_bytes >= self._file_bytes:
                self._close_writer()

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _clean(self) -> None:
        """Delete what is delivered, and the oldest of what is too much."""
        for file in list(self._files):
            if not file.pending and not file.incomplete:
                self._delete(file)
        while self.bytes() > self._size and self._files:
            file = self._files[0]
            lost = file.left - self._box.drop(file)
            self._delete(file)
            if lost > 0:
                self._counts.warn(
                    stats.DROPPED + "spool_full", lost, "%d lines, the "
                    "oldest, were dropped: more than [graphite] spool_size "
                    "= %d bytes waited on disk", lost, self._size)

    def _delete(self, file: SpoolFile) -> None:
        if self._writer is not None and self._writer.file is file:
            self._close_writer()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(file.path)
        self._files.remove(file)

    def _read(self) -> None:
        """Bring lines back that are in no memory, when they can be sent."""
        file = next((file for file in self._files if file.incomplete
                     and not file.pending), None)
        if (file is None or not self._link.is_connected
                or self._box.room() < self._file_bytes):
            return
        if self._writer is not None and self._writer.file is file:
            self._close_writer()
        batches = self._batches(file)
        count = sum(batch.count for batch in batches)
        # What is missing may have been delivered before.
        lost = min(file.lines - count, file.left)
        file.incomplete = False
        file.lines = file.left = count
        self._box.load(batches)
        self._link.wake()
        if lost > 0:
            self._counts.warn(
                stats.DROPPED + "spool_corrupt", lost,
                "%d lines were dropped: %s is damaged", lost, file.path)

    def _batches(self, file: SpoolFile) -> list[outbox.Batch]:
        """What can be read of a file."""
        try:
            data = _read(file.path)
        except FileNotFoundError:
            return []
        except OSError:
            # It is not tried again, and no other file waits for it.
            self._files.remove(file)
            raise
        since = self._clock() - (time.time() - file.written_at)
        return [outbox.Batch(piece, piece.count(b"\n"), since, file)
                for member in unpack(data)
                for piece in wire.datagrams(member.lines, outbox.BATCH_BYTES)]

    def _unlock(self) -> None:
        """Let go of files that remain, for the next process."""
        self._close_writer()
        left = {_owner(file.path) for file in self._files}
        while self._locks:
            lock = self._locks.pop()
            lock.release(delete=lock.owner not in left)


class Writer:
    """Appends members to a new file.

    :param folder: where
    :param owner: of the lock of this process
    """

    def __init__(self, folder: str, owner: str) -> None:
        path = os.path.join(
            folder, "%020d.%s%s" % (time.time_ns(), owner, _SUFFIX))
        self.fd = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self.file = SpoolFile(path)
        self.raw_bytes = 0

    def append(self, batches: list[outbox.Batch]) -> None:
        """Write batches as one member.

        :raises OSError: when not all was written; the file is as before
        """
        lines = b"".join(batch.lines for batch in batches)
        count = sum(batch.count for batch in batches)
        data = memoryview(pack(lines, count, self.file.lines))
        try:
            while data:
                data = data[os.write(self.fd, data):]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self.fd, self.file.size)
            raise
        self.file.size = os.lseek(self.fd, 0, os.SEEK_CUR)
        self.raw_bytes += len(lines)
        self.file.lines += count

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


class Lock:
    """The lock of a process that has files in a folder.

    :ivar owner: which process that is
    """

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.owner = os.path.basename(path).partition(".")[0]

    @classmethod
    def make(cls, folder: str) -> "Lock":
        """The lock of this process."""
        while True:
            lock = cls.take(folder, secrets.token_hex(8))
            # Another process may have tidied it away before it was locked.
            if lock is not None:
                return lock

    @classmethod
    def take(cls, folder: str, owner: str) -> "Lock | None":
        """The lock of a process that is gone; None when it is not."""
        path = os.path.join(folder, owner + _LOCK_SUFFIX)
        fd = _open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(fd).st_ino:
                return cls(path, fd)
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(fd)
        return None

    def release(self, delete: bool) -> None:
        """Let the lock go.

        :param delete: because no file needs it any more
        """
        if delete:
            os.unlink(self.path)
        os.close(self.fd)


class Folder:
    """The files for one set of endpoints."""

    def __init__(self, path: str) -> None:
        self.path = path

    def make(self, endpoints: str) -> None:
        """Make the folder, if need be, for nobody but this user.

        :raises OSError: when it cannot be, or is somebody else's
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
        """Each ``host:port`` that its lines are for."""
        return _read(os.path.join(self.path, _ENDPOINTS)).decode(
            "utf-8", "replace").strip().split(",")

    def by_owner(self) -> dict[str, list[str]]:
        """The paths of its files, oldest first, by their process."""
        found: dict[str, list[str]] = {}
        for name in sorted(os.listdir(self.path)):
            if _NAME.fullmatch(name):
                found.setdefault(_owner(name), []).append(
                    os.path.join(self.path, name))
        return found

    def bytes(self) -> int:
        """How much of the disk they take."""
        return sum(os.path.getsize(path)
                   for paths in self.by_owner().values() for path in paths)

    def count_lines(self) -> int:
        """How many lines it has."""
        return self._count(self.by_owner())

    def count_left(self) -> int:
        """How many of them no process that lives is to send."""
        return self._count([owner for owner in self.by_owner()
                            if self._is_left(owner)])

    def _count(self, owners: Iterable[str]) -> int:
        return sum(count_lines(_read(path)) for owner, paths in
                   self.by_owner().items() if owner in owners
                   for path in paths)

    def _is_left(self, owner: str) -> bool:
        lock = Lock.take(self.path, owner)
        if lock is not None:
            lock.release(delete=False)
        return lock is not None

    def tidy(self) -> None:
        """Delete the locks of processes that are gone and left no file."""
        owners = self.by_owner()
        for name in os.listdir(self.path):
            owner, suffix = os.path.splitext(name)
            if suffix == _LOCK_SUFFIX and owner not in owners:
                lock = Lock.take(self.path, owner)
                if lock is not None:
                    lock.release(delete=True)


def folder_of(root: str, endpoints: str) -> Folder:
    """The folder of a set of endpoints below a spool_dir."""
    return Folder(os.path.join(root, sanitize.component(endpoints)))


def folders(root: str) -> list[Folder]:
    """All sets of endpoints below a spool_dir.

    :raises OSError: when it cannot be read
    """
    return [Folder(entry.path)
            for entry in sorted(os.scandir(root), key=lambda each: each.name)
            if entry.is_dir(follow_symlinks=False)
            and os.path.exists(os.path.join(entry.path, _ENDPOINTS))]


def members(path: str) -> Iterator[Member]:
    """What a file holds.

    :raises OSError: when it cannot be read
    """
    return unpack(_read(path))


def endpoints_text(endpoints: tuple) -> str:
    """A set of endpoints as a text."""
    return ",".join(map(transports.endpoint_text, endpoints))


def _owner(path: str) -> str:
    match = _NAME.fullmatch(os.path.basename(path))
    assert match is not None  # noqa: S101
    return match["owner"]


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _read(path: str) -> bytes:
    # Which nothing that is no file can make wait.
    with open(_open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file", path)
        return file.read()
