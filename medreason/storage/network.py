"""Whether a folder lies on a network drive, told by the list of mounts. Known on Linux only."""

from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "davfs", "ceph", "glusterfs", "lustre", "beegfs")
THROUGH_FUSE = ("sshfs", "rclone", "s3fs", "gcsfuse", "glusterfs", "davfs", "davfs2", "curlftpfs", "goofys")


def network_drive(folder: Path) -> str:
    """The kind of network file system on which the folder lies, empty for a disk of this computer."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place, found, deepest = folder.resolve(), "", -1
    for line in lines:
        _, mount, kind, *_ = line.split(" ")
        at = Path(mount.replace("\\040", " "))
        # The last of several mounts on one place is the one that is seen.
        if place.is_relative_to(at) and len(at.parts) >= deepest:
            found, deepest = kind, len(at.parts)
    if found in NETWORK or found.removeprefix("fuse.") in THROUGH_FUSE:
        return found
    return ""
