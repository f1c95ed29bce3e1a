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

"""Decoders of what the senders send.

The volume of each sample is its sequence number. A decoder belongs to one
connection. Its ``feed`` takes bytes as they arrive, and returns the numbers
of the messages that are complete now, and the reply to the peer.
"""

import json
import pickle

import msgpack

from benchmarks.common import workload

_REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_MARK = workload.MARK.encode("ascii")


class WholeLines:
    """Returns complete lines instead of numbers."""

    def __init__(self):
        self._rest = b""

    def feed(self, data):
        lines, end, self._rest = (self._rest + data).rpartition(b"\n")
        return lines + end, b""


class Lines(WholeLines):
    """Carbon's plaintext protocol."""

    def feed(self, data):
        lines, reply = super().feed(data)
        return [int(float(line.split(b" ")[1]))
                for line in lines.splitlines() if _MARK in line], reply


class _Frames:
    """Messages that follow their length."""

    length_bytes = 4
    byte_order = "big"

    def __init__(self):
        self._rest = bytearray()

    def feed(self, data):
        self._rest += data
        numbers = []
        begin = self.length_bytes
        while begin <= len(self._rest):
            end = begin + int.from_bytes(self._rest[:begin], self.byte_order)
            if end > len(self._rest):
                break
            numbers += self.numbers(bytes(self._rest[begin:end]))
            del self._rest[:end]
        return numbers, b""


class Pickle(_Frames):
    """Carbon's pickle protocol."""

    def numbers(self, payload):
        return [value for path, (_, value) in pickle.loads(payload)
                if workload.MARK in path]


class MsgpackFrames(_Frames):
    """The frames of Ceilometer's tcp://."""

    length_bytes = 8
    byte_order = "little"

    def numbers(self, payload):
        return [msgpack.loads(payload)["counter_volume"]]


class MsgpackDatagram:
    """The datagrams of Ceilometer's udp://."""

    def feed(self, data):
        return [msgpack.loads(data)["counter_volume"]], b""


class Http:
    """The requests of Ceilometer's http://."""

    def __init__(self):
        self._rest = b""

    def feed(self, data):
        self._rest += data
        numbers = []
        reply = b""
        while b"\r\n\r\n" in self._rest:
            head, body = self._rest.split(b"\r\n\r\n", 1)
            length = next(int(line.split(b":")[1])
                          for line in head.lower().split(b"\r\n")
                          if line.startswith(b"content-length:"))
            if len(body) < length:
                break
            self._rest = body[length:]
            numbers += self.numbers(body[:length])
            reply += _REPLY
        return numbers, reply

    def numbers(self, body):
        return [each["volume"] for each in json.loads(body)]
