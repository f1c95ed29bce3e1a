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
"""Ways to break a spool's file, each with a name: CASES."""

import collections
import os
import shutil
import sqlite3

Case = collections.namedtuple("Case", "name breaks")
CASES = []


def _case(breaks):
    CASES.append(Case(breaks.__name__.strip("_"), breaks))


def _overwrite(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
        file.write(data)


def run(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@_case
def _nothing_is_broken(path):
    pass


@_case
def _empty_file(path):
    path.write_bytes(b"")


@_case
def _garbage(path):
    path.write_bytes(bytes(range(256)) * 200)


@_case
def _a_text(path):
    path.write_text("path 1 1700000000\n" * 1000)


@_case
def _zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def _truncated_to(part):
    def truncated(path):
        os.truncate(path, int(path.stat().st_size * part))
    truncated.__name__ = f"truncated_to_{part * 1000:g}_thousandths"
    return truncated


for _part in (0.001, 0.1, 0.5, 0.9, 0.99):
    _case(_truncated_to(_part))


@_case
def _header_flipped(path):
    _overwrite(path, 0, b"\xff")


@_case
def _page_size_flipped(path):
    _overwrite(path, 16, b"\x77\x77")


@_case
def _first_page_overwritten(path):
    _overwrite(path, 100, b"\xa5" * 900)


@_case
def _a_byte_flipped_in_a_payload(path):
    data = path.read_bytes()
    _overwrite(path, data.rindex(b"compute-1"), b"X")


@_case
def _last_page_overwritten(path):
    _overwrite(path, -4096, b"\xa5" * 4096)


@_case
def _a_page_of_pointers_overwritten(path):
    _overwrite(path, 4096, b"\xa5" * 4096)


@_case
def _garbage_in_the_wal(path):
    path.with_name(path.name + "-wal").write_bytes(b"\xa5" * 100000)


@_case
def _garbage_in_the_shm(path):
    path.with_name(path.name + "-shm").write_bytes(b"\xa5" * 32768)


@_case
def _a_directory_for_a_wal(path):
    path.with_name(path.name + "-wal").mkdir()


@_case
def _no_table(path):
    run(path, "DROP TABLE batches")


@_case
def _another_schema(path):
    run(path, "DROP TABLE batches", "CREATE TABLE batches (line TEXT)")


@_case
def _a_view_for_a_table(path):
    run(path, "DROP TABLE batches",
        "CREATE VIEW batches AS SELECT 1 id, 1 count, 1 crc, 'x' lines")


@_case
def _a_stricter_schema(path):
    run(path, "DROP TABLE batches",
        "CREATE TABLE batches (id INTEGER PRIMARY KEY, count INTEGER, "
        "crc INTEGER, lines BLOB, colour TEXT NOT NULL)")


@_case
def _values_of_other_types(path):
    run(path, "UPDATE batches SET count = 'many', lines = 'text'")


@_case
def _another_encoding(path):
    path.unlink()
    run(path, "PRAGMA encoding = 'UTF-16'", "CREATE TABLE other (id)")


@_case
def _a_directory_in_its_place(path):
    path.unlink()
    path.mkdir()


@_case
def _a_full_directory_where_it_is_set_aside(path):
    path.write_bytes(b"garbage" * 1000)
    path.with_name(path.name + ".broken").mkdir()
    path.with_name(path.name + ".broken").joinpath("file").touch()


@_case
def _a_symlink_to_itself(path):
    path.unlink()
    path.symlink_to(path)


@_case
def _a_symlink_to_nowhere(path):
    path.unlink()
    path.symlink_to(path.parent / "missing" / "file")


@_case
def _a_directory_for_its_lock(path):
    lock = path.with_name(path.name + ".lock")
    lock.unlink(missing_ok=True)
    lock.mkdir()


@_case
def _a_fifo_in_its_place(path):
    path.unlink()
    os.mkfifo(path)


@_case
def _a_full_device_in_its_place(path):
    path.unlink()
    path.symlink_to("/dev/full")


@_case
def _a_file_for_a_folder(path):
    shutil.rmtree(path.parent)
    path.parent.touch()
