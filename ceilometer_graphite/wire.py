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

"""Datapoints as bytes of Carbon's plaintext protocol, ``path value time``.

What Carbon does with a line is in ``carbon/protocols.py``: it splits at
white space, reads value and time with ``float()``, and closes the
connection on what is not UTF-8.
"""

import datetime
import functools
import pickle
import struct
import sys

from oslo_utils import timeutils

# carbon/protocols.py: MAX_LENGTH of a line is 16384; a datagram is cut at
# 8192, and a line has to fit a datagram.
MAX_LINE_BYTES = 8191
MAX_DATAGRAM_BYTES = 8192
# A frame is pickled in well under a millisecond.
FRAME_BYTES = 8192
_LARGEST = sys.float_info.max
# whisper.py stores times as unsigned 32 bit integers.
MAX_TIMESTAMP = 2 ** 32 - 1

NOT_A_NUMBER = "not_a_number"
NOT_FINITE = "not_finite"
BAD_TIMESTAMP = "bad_timestamp"
LINE_TOO_LONG = "line_too_long"

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class SkippedSample(Exception):
    """A sample that cannot become a line.

    :ivar reason: one of the constants above
    """

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def number(volume):
    """A sample's volume as an int or a float.

    A bool is 0 or 1, and a text that is a number is that number.

    :raises SkippedSample: for None, NaN, infinities (integers beyond the
        floats among them) and what is not a number
    """
    kind = type(volume)
    if kind is not int and kind is not float:
        volume = _plain_number(volume)
    if not -_LARGEST <= volume <= _LARGEST:
        raise SkippedSample(NOT_FINITE)
    return volume


def numbers(volumes):
    """As :func:`number`, of each of a list; quick where all are ints."""
    if (set(map(type, volumes)) == {int} and min(volumes) >= -_LARGEST
            and max(volumes) <= _LARGEST):
        return volumes
    return [number(volume) for volume in volumes]


def _plain_number(volume):
    for kind in (int, float):
        if isinstance(volume, kind):
            return kind(volume)
        if isinstance(volume, str):
            try:
                return kind(volume)
            except ValueError:
                continue
    raise SkippedSample(NOT_A_NUMBER)


def timestamp(text):
    """The seconds since 1970 of a sample's timestamp, as a float.

    :param text: ISO 8601; without an offset it is UTC, as Ceilometer's
        polling agent writes it
    :raises SkippedSample: for what is no such time, or none that Whisper
        can store
    """
    if not isinstance(text, str):
        raise SkippedSample(BAD_TIMESTAMP)
    return _seconds(text)


@functools.lru_cache(64)
def _seconds(text):
    try:
        parsed = datetime.datetime.fromisoformat(text)
    except ValueError:
        try:
            parsed = timeutils.parse_isotime(text)
        except ValueError:
            raise SkippedSample(BAD_TIMESTAMP) from None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=datetime.timezone.utc)
    seconds = (parsed - _EPOCH).total_seconds()
    if not 1 <= seconds <= MAX_TIMESTAMP:
        raise SkippedSample(BAD_TIMESTAMP)
    return seconds


def line(path, value, seconds):
    """One line of the plaintext protocol, with its newline.

    :param path: an ASCII path or tagged name
    :param value: a finite int, written exactly, or a finite float, written
        so that it reads back as the same float
    :param seconds: whole seconds since 1970
    """
    return f"{path} {value!r} {seconds}\n"


def datagrams(lines, size):
    """Pack whole lines into datagrams.

    :param lines: bytes of whole lines
    :param size: of a datagram, in bytes; a line that is longer gets a
        datagram of its own
    """
    start = 0
    while start < len(lines):
        end = lines.rfind(b"\n", start, start + size) + 1
        if not end:
            end = lines.index(b"\n", start) + 1
        yield lines[start:end]
        start = end


def pickle_frames(lines):
    """Lines as frames of Carbon's pickle protocol.

    A frame is a 4 byte length and a pickled list of (path, (time, value)).
    It holds what ``FRAME_BYTES`` of lines do, well within the 1 MiB that
    Carbon takes (carbon/protocols.py, PICKLE_RECEIVER_MAX_LENGTH).

    :param lines: bytes of whole lines
    :returns: an iterable of frames
    """
    for piece in datagrams(lines, FRAME_BYTES):
        payload = pickle.dumps(
            [_datapoint(text) for text in piece.decode("ascii").splitlines()],
            protocol=2)
        yield struct.pack("!L", len(payload)) + payload


def _datapoint(text):
    path, value, seconds = text.split(" ")
    try:
        value = int(value)
    except ValueError:
        value = float(value)
    return path, (int(seconds), value)
