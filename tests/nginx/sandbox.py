"""Runs a program as the options of a strict systemd unit would: NoNewPrivileges, CapabilityBoundingSet=, ProtectSystem=strict,
MemoryDenyWriteExecute, User=. As a program: sandbox.py FOLDER COMMAND ...; FOLDER alone stays writable, and is the user's."""
import ctypes
import os
import subprocess
import sys

NOBODY = 65534
CLONE_NEWNS = 0x20000
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 24, 38, 65


def prctl(option, value, libc=ctypes.CDLL(None, use_errno=True)):
    return libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def mount(*args):
    subprocess.run(["mount", *args], check=True, capture_output=True)


def main(folder, *command):
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name in [".", *os.listdir(folder)]:
        os.chown(os.path.join(folder, name), NOBODY, NOBODY)
    mount("--make-rprivate", "/")
    mount("--bind", folder, folder)
    mount("-o", "remount,bind,ro", "/")
    for cap in range(64):
        prctl(PR_CAPBSET_DROP, cap)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    prctl(PR_SET_MDWE, 1)  # before Linux 6.3: no such thing
    os.chdir(folder)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
