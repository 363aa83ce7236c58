#!/usr/bin/python3
"""Chromium that hears nothing of the machine's network: hosts of the test bed come and go while tests look at pages.

When an address of the machine changes, Chromium ends what it is loading with ERR_NETWORK_CHANGED. It learns of that
by netlink, and takes a machine without netlink to be online for good. To be started in place of Chromium, by the
distribution's Python, which has the module for the kernel's filter.
"""

import errno
import os
import socket
import sys

import seccomp

PROGRAM = "/usr/bin/chromium"

rules = seccomp.SyscallFilter(seccomp.ALLOW)
rules.add_rule(seccomp.ERRNO(errno.EAFNOSUPPORT), "socket", seccomp.Arg(0, seccomp.EQ, socket.AF_NETLINK))
rules.load()
os.execv(PROGRAM, [PROGRAM, *sys.argv[1:]])  # noqa: S606 - the process that was started, and is ended later, must be Chromium
