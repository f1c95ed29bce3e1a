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

"""Any text as a component of a path."""

import functools
import hashlib
import re

MISSING = "none"
# A component is a folder or a file of Whisper: at most 255 bytes with .wsp.
MAX_BYTES = 200
SAFE = "A-Z a-z 0-9 _ -"
UNSAFE = re.compile(r"[^A-Za-z0-9_-]")

_HASH_DIGITS = 16
_CACHED_TEXTS = 16384
_LOOKS_HASHED = re.compile(r"_[0-9a-f]{%d}\Z" % _HASH_DIGITS)


def hashed(text, safe):
    """A text that is too long or was changed: cut, and a hash of it all.

    :param safe: the text with nothing but safe characters
    """
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"),
                             digest_size=_HASH_DIGITS // 2).hexdigest()
    return safe[:MAX_BYTES - _HASH_DIGITS - 1] + "_" + digest


@functools.lru_cache(_CACHED_TEXTS)
def _component(text):
    safe = UNSAFE.sub("_", text)
    if len(safe) > MAX_BYTES:
        return hashed(text, safe)
    return safe or MISSING


@functools.lru_cache(_CACHED_TEXTS)
def _identity(text):
    safe = UNSAFE.sub("_", text)
    if (safe == text and len(safe) <= MAX_BYTES
            and text != MISSING and not _LOOKS_HASHED.search(text)):
        return safe or MISSING
    return hashed(text, safe)


@functools.lru_cache(_CACHED_TEXTS)
def _meter(text):
    if len(text) > MAX_BYTES:
        return _component(text)
    return ".".join(
        _component(part) for part in text.split(".") if part) or MISSING


def _text(value):
    return "" if value is None else str(value)


def component(value):
    """Any value as one path component.

    Characters outside ``A-Z a-z 0-9 _ -`` become ``_``. What is longer than
    200 bytes is cut and ends in a hash of the whole. None and the empty
    string are ``none``.
    """
    return _component(value if type(value) is str else _text(value))


def identity(value):
    """An identifier as a path component that no other identifier gets.

    As :func:`component`, but an identifier that had to be changed, or that
    looks like one that had been, ends in a hash of the whole. A UUID comes
    out as it went in.
    """
    return _identity(value if type(value) is str else _text(value))


def meter_path(value):
    """A meter's name: its dots stay. One of over 200 bytes is a component."""
    return _meter(value if type(value) is str else _text(value))


def short_host(host):
    """A host's name up to its first dot, or its address, as a component."""
    short = host.partition(".")[0]
    return component(host if short.isdigit() else short)
