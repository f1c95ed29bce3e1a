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

Carbon's side is in ``carbon/protocols.py``: it splits a line at white space
and reads value and time with ``float()``. It closes the connection when a line
is not UTF-8.
"""

import pickle
import struct

# carbon/protocols.py: MAX_LENGTH of a line is 16384. Carbon cuts a datagram at
# 8192 bytes, and a line must fit into a datagram.
MAX_LINE_BYTES = 8191
MAX_DATAGRAM_BYTES = 8192
# A frame is pickled in well under a millisecond.
FRAME_BYTES = 8192
# whisper.py stores times as unsigned 32 bit integers.
MAX_TIMESTAMP = 2 ** 32 - 1


def line(path, value, seconds):
    """One line of the plaintext protocol, with its newline.

    :param path: an ASCII path or tagged name
    :param value: a finite int, a finite float, or a text of such a number;
        reading the line gives the same number
    :param seconds: whole seconds since 1970
    """
    return f"{path} {value} {seconds}\n"


def datagrams(lines, size):
    """Pack whole lines into datagrams.

    :param lines: bytes of whole lines
    :param size: maximum bytes of a datagram; a longer line becomes a
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
    """Encode lines as frames of Carbon's pickle protocol.

    A frame is a 4 byte length and a pickled list of (path, (time, value)).
    It contains at most ``FRAME_BYTES`` of lines, well within the 1 MiB that
    Carbon accepts (carbon/protocols.py, PICKLE_RECEIVER_MAX_LENGTH).

    :param lines: bytes of whole lines
    :returns: an iterable of frames
    """
    for batch in datagrams(lines, FRAME_BYTES):
        payload = pickle.dumps(
            [_datapoint(text) for text in batch.decode("ascii").splitlines()],
            protocol=2)
        yield struct.pack("!L", len(payload)) + payload


def _datapoint(text):
    path, value, seconds = text.split(" ")
    try:
        value = int(value)
    except ValueError:
        value = float(value)
    return path, (int(seconds), value)
