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
"""The Linux guest: Debian's kernel, and an initrd that makes load."""

import os
import pathlib
import shutil
import stat
import tempfile

from lab import command

# Each follows the modules that it depends on.
_MODULES = (
    "drivers/virtio/virtio_ring.ko", "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko", "drivers/virtio/virtio_pci.ko",
    "drivers/virtio/virtio_balloon.ko", "drivers/block/virtio_blk.ko",
    "net/core/failover.ko", "drivers/net/net_failover.ko",
    "drivers/net/virtio_net.ko")

# Each second, the guest sends five pings of 1 kB to the bridge, which answers,
# and writes and reads 1 MiB on each disk, bypassing the page cache.
_INIT = """\
#!/busybox sh
set -e
/busybox mount -t proc proc /proc
/busybox --install -s /bin
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "$module"; done </modules
ip address add 192.0.2.2/24 dev eth0
ip link set eth0 up
ping -i 0.2 -s 1000 192.0.2.1 >/dev/null &
echo load starts
while true; do
    for disk in /dev/vd*; do
        dd if=/dev/zero of="$disk" bs=64k count=16 conv=fsync 2>/dev/null
        echo 1 >/proc/sys/vm/drop_caches
        dd if="$disk" of=/dev/null bs=64k count=16 2>/dev/null
    done
    sleep 1
done
"""


def write_initrd(path):
    """Write an initrd; return the path of its kernel."""
    tree = _kernel_tree()
    path.write_bytes(_initrd(tree))
    kernel, = tree.glob("boot/vmlinuz-*")
    return kernel


def _kernel_tree():
    """Return the folder of Debian's cloud kernel, downloaded once a user."""
    cache = pathlib.Path(
        os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache",
        "ceilometer-graphite")
    depends = command.run("apt-cache", "depends", "linux-image-cloud-amd64")
    package = depends.split("Depends: ")[1].split()[0]
    tree = cache / package
    if not tree.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            command.run("apt-get", "download", package, cwd=scratch)
            archive, = pathlib.Path(scratch).glob("*.deb")
            command.run("dpkg", "-x", str(archive), f"{scratch}/tree")
            os.rename(f"{scratch}/tree", tree)
    return tree


def _initrd(tree):
    """Return a cpio archive with busybox, virtio modules and an init."""
    kernel, = tree.glob("lib/modules/*/kernel")
    busybox = pathlib.Path(shutil.which("busybox"))
    files = {"busybox": busybox.read_bytes(),
             "modules": "".join(f"/{pathlib.Path(name).name}\n"
                                for name in _MODULES).encode(),
             "init": _INIT.encode()}
    for name in _MODULES:
        files[pathlib.Path(name).name] = (kernel / name).read_bytes()
    entries = [_cpio(folder, stat.S_IFDIR | 0o755)
               for folder in ("bin", "dev", "proc", "sys")]
    entries += [_cpio(name, stat.S_IFREG | 0o755, data)
                for name, data in files.items()]
    return b"".join([*entries, _cpio("TRAILER!!!", 0)])


def _cpio(name, mode, data=b""):
    """Return one entry in the "newc" format of Linux's initramfs."""
    fields = (0, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    header = "070701" + "".join(f"{field:08X}" for field in fields) + name
    header += "\0" * (4 - len(header) % 4)
    return header.encode() + data + bytes(-len(data) % 4)
