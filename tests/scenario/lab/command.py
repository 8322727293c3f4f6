# SPDX-License-Identifier: Apache-2.0
"""Run one program to its end and return what it printed."""
import subprocess


class CommandFailed(RuntimeError):
    """A program the lab needs ended with an error; the text says which and why."""


def run(*argv, stdin=None, check=True, timeout_s=60):
    """Runs argv and returns its standard output; raises CommandFailed unless check is False."""
    argv = [str(a) for a in argv]
    try:
        # Without input of ours none at all: no program may wait for somebody at the terminal.
        source = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace",
                              timeout=timeout_s, **source)
    except FileNotFoundError:
        remedy = "is not built; run ninja" if "/" in argv[0] else "is not installed; run scripts/install"
        raise CommandFailed(f"{argv[0]} {remedy}") from None
    except subprocess.TimeoutExpired:
        raise CommandFailed(f"`{' '.join(argv)}` did not end within {timeout_s} s") from None
    if check and done.returncode != 0:
        raise CommandFailed(f"`{' '.join(argv)}` ended with {done.returncode}: "
                            f"{done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
