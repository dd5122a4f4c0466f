# SPDX-License-Identifier: Apache-2.0
"""A guest: initial RAM disk, boot, and what it leaves behind."""

import os
import pathlib
import re
import shutil
import subprocess
import tarfile

HERE = pathlib.Path(__file__).parent
# What init and cases call, all of it busybox.
APPLETS = "sh mount uname grep dmesg stty tar sync poweroff timeout kill true sleep cat readlink pidof"
BOOT_SECONDS_MAX = 900

# cx16: the emulator loses the flags of cmpxchg16b when it is interrupted there, and a kernel that uses it for
# its allocator then dies of a double fault in one boot of ten.
QEMU = "qemu-system-x86_64 -accel tcg -cpu max,-cx16 -m 2048 -smp 2 -no-reboot -nic none -display none -monitor none"
COMMAND_LINE = "console=ttyS0 quiet panic=-1 cryptomgr.notests rdinit=/init"


def libraries(program):
    """What the dynamic linker will want of the system's, itself included."""
    output = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    return {path for path in re.findall(r"(/\S+) \(0x", output) if path.startswith(("/lib", "/usr/lib"))}


def pack(directory, programs, scripts):
    """
    The initial RAM disk: {path in the guest: program}, their libraries, busybox, and {path: script}.
    """
    root = directory / "root"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "proc", "sys", "dev", "tmp", "results"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for applet in APPLETS.split():
        (root / "bin" / applet).symlink_to("busybox")
    files = dict(programs)
    for program in programs.values():
        files.update((library.lstrip("/"), library) for library in libraries(program))
    files.update(scripts)
    for name, source in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, root / name)
        (root / name).chmod(0o755)
    image = directory / "initrd"
    names = "\n".join(sorted(str(path.relative_to(root)) for path in root.rglob("*"))) + "\n"
    with open(image, "wb") as file:
        archive = subprocess.Popen(
            ["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        compressor = subprocess.Popen(["gzip", "-1"], stdin=archive.stdout, stdout=file)
        archive.stdout.close()
        archive.stdin.write(names.encode())
        archive.stdin.close()
        if archive.wait() or compressor.wait():
            raise RuntimeError("packing failed")
    return image


def boot(kernel, initrd, directory, mode):
    """Runs a guest to its end and unpacks what it has sent into directory/results. Returns that path."""
    results = directory / "results"
    console = directory / "console.txt"
    sent = directory / "results.tar"
    shutil.rmtree(results, ignore_errors=True)
    sent.unlink(missing_ok=True)
    command = QEMU.split() + [
        *("-kernel", kernel, "-initrd", initrd, "-append", f"{COMMAND_LINE} pprofd.mode={mode}"),
        *("-serial", f"file:{console}", "-serial", f"file:{sent}"),
    ]
    # A process group of its own, so that nothing of it outlives us.
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(timeout=BOOT_SECONDS_MAX)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()
    if not sent.exists() or sent.stat().st_size == 0:
        raise RuntimeError(f"the guest sent nothing: {console}")
    with tarfile.open(sent, "r:", ignore_zeros=True) as archive:
        archive.extractall(results)
    return results
