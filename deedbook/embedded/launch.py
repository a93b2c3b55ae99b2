"""Become another program that dies with us: `launch.py SIGNAL PARENT_PID USER NICENESS COMMAND...`.

Run as a script by `Child`, never imported. The kernel sends SIGNAL when the parent ends, however it ends. USER is a
name to become first, or `-` to stay who we are. A program of its own, because code between fork and exec is unsafe in
a process that has threads.
"""

import ctypes
import os
import pwd
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    signal_number, parent_pid, user, niceness = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    command = sys.argv[5:]
    os.nice(niceness)
    if user != "-":
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    # After setuid, which clears the request.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:  # the parent ended before the kernel knew our wish
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the command is our caller's own list


main()
