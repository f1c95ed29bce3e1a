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

"""Converts any text to components of a path."""

import hashlib
import re

MISSING = "none"
# A component is a folder or a file of Whisper: at most 255 bytes with .wsp.
MAX_BYTES = 200
SAFE = "A-Z a-z 0-9 _ -"
UNSAFE = re.compile(r"[^A-Za-z0-9_-]")

_MAX_NAME_BYTES = 64
_HASH_DIGITS = 16
_LOOKS_HASHED = re.compile(r"_[0-9a-f]{%d}\Z" % _HASH_DIGITS)
_LOOKS_LIKE_HASH = re.compile(r"[0-9a-f]{%d}\Z" % _HASH_DIGITS)


def text(value: object) -> str:
    """Convert a value to a text. None becomes an empty text."""
    return "" if value is None else str(value)


def hashed(whole: str, safe: str) -> str:
    """Shorten a safe text and append a hash of the original.

    :param whole: the original text, which is hashed
    :param safe: the same text with only safe characters
    """
    digest = hashlib.blake2b(whole.encode("utf-8", "surrogatepass"),
                             digest_size=_HASH_DIGITS // 2).hexdigest()
    return safe[:MAX_BYTES - _HASH_DIGITS - 1] + "_" + digest


def _unique(whole, safe):
    """Return a safe text that is unique to ``whole``."""
    if (safe == whole and len(safe) <= MAX_BYTES and safe != MISSING
            and not _LOOKS_HASHED.search(safe)):
        return safe
    return hashed(whole, safe)


def component(value: object) -> str:
    """Convert any value to one path component.

    Characters outside ``A-Z a-z 0-9 _ -`` become ``_``. A text of more than
    200 bytes is cut, and a hash of the original is appended. None and the
    empty string become ``none``.
    """
    whole = text(value)
    safe = UNSAFE.sub("_", whole)
    return hashed(whole, safe) if len(safe) > MAX_BYTES else safe or MISSING


def identity(value: object) -> str:
    """Convert an identifier to a path component that is unique to it.

    Like :func:`component`, but a hash of the original is also appended when
    characters were replaced, or when the text already ends like such a hash.
    A UUID stays as it is.
    """
    whole = text(value)
    return _unique(whole, UNSAFE.sub("_", whole)) if whole else MISSING


def instance(name: object, identifier: object) -> str:
    """Join an instance's name and identifier to one path component.

    The name is for people, and is cut to 64 bytes. The component is unique
    to the identifier, whatever the name: the identifier follows the last
    ``_``. If it contains a ``_`` itself, its hash does.

    :param name: may be None or empty
    """
    safe = identity(identifier)
    if safe == identifier and ("_" in safe or _LOOKS_LIKE_HASH.match(safe)):
        safe = hashed(safe, safe)
    if not name:
        return safe
    named = "%s_%s" % (component(name)[:_MAX_NAME_BYTES], safe)
    return named if len(named) <= MAX_BYTES else hashed(named, named)


def meter_path(value: object) -> str:
    """Convert a meter's name to path components that are unique to it.

    Its dots separate the components. A name of more than 200 bytes becomes
    a single component.
    """
    whole = text(value)
    if not whole or len(whole) > MAX_BYTES:
        return identity(whole)
    return _unique(whole, ".".join(
        component(part) for part in whole.split(".") if part) or MISSING)


def short_host(host: str) -> str:
    """Convert the short name or the address of a host to a component."""
    short = host.partition(".")[0]
    return component(host if short.isdigit() else short)
