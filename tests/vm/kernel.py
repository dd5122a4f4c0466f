# SPDX-License-Identifier: Apache-2.0
"""Debian's kernels, fetched by an apt with directories of its own."""

import re
import shutil
import subprocess

MIRROR = "http://deb.debian.org"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# Name -> suites, the package that depends on the newest kernel being the same in all.
SUITES = {
    "5.10": ["debian bullseye", "debian-security bullseye-security"],
    "6.1": ["debian bookworm"],
    "6.12": ["debian trixie"],
    "newest": ["debian sid"],
}
PACKAGE = "linux-image-cloud-amd64"


def apt_config(directory, suites):
    """Writes the configuration, and returns the environment that makes apt use it."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "status").touch()
    (directory / "sources.list").write_text(
        "".join(
            f"deb [signed-by={KEYRING}] {MIRROR}/{archive} {suite} main\n"
            for archive, suite in (line.split() for line in suites)
        )
    )
    options = {
        "Dir::State": directory / "state",
        "Dir::State::status": directory / "status",
        "Dir::Cache": directory / "cache",
        "Dir::Etc::sourcelist": directory / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "APT::Architecture": "amd64",
        "APT::Architectures": "amd64",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    config = directory / "apt.conf"
    config.write_text("".join(f'{key} "{value}";\n' for key, value in options.items()))
    return {"APT_CONFIG": str(config), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


def dependency(package, pattern, env):
    """The first package of this name that `package` depends on; None without one."""
    text = subprocess.run(
        ["apt-cache", "depends", package], env=env, check=True, capture_output=True, text=True
    ).stdout
    match = re.search(rf"Depends: ({pattern})$", text, re.M)
    return match and match[1]


def fetch(name, directory):
    """The path of the kernel image `name`, from `directory` when it is there already."""
    image = directory / "vmlinuz"
    if image.exists():
        return image
    apt = directory / "apt"
    env = apt_config(apt, SUITES[name])
    subprocess.run(["apt-get", "-q", "update"], env=env, check=True, stdout=subprocess.DEVNULL)
    package = dependency(PACKAGE, r"linux-image-[0-9]\S*", env)
    # Since 2026 the image itself is in a package of its own.
    package = dependency(package, r"linux-binary-\S+", env) or package
    subprocess.run(["apt-get", "-q", "download", package], env=env, check=True, cwd=apt, stdout=subprocess.DEVNULL)
    (deb,) = apt.glob("linux-*.deb")
    subprocess.run(["dpkg", "-x", deb.name, "unpacked"], check=True, cwd=apt)
    (found,) = [path for path in (apt / "unpacked").rglob("vmlinuz*") if path.is_file() and not path.is_symlink()]
    shutil.copy(found, directory / "vmlinuz.new")
    (directory / "version").write_text(deb.name.split("_")[0] + "\n")
    shutil.rmtree(apt)
    (directory / "vmlinuz.new").rename(image)
    return image
