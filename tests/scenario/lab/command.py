# SPDX-License-Identifier: Apache-2.0
"""Run one program to its end and return what it printed."""
import subprocess


class CommandFailed(RuntimeError):
    """A program the lab needs ended with an error; the text says which and why."""


def run(*argv, stdin=None, check=True, timeout_s=60):
    """Runs argv and returns its standard output; raises CommandFailed unless check is False."""
    code, output, complaint = attempt(*argv, stdin=stdin, timeout_s=timeout_s)
    if check and code != 0:
        raise CommandFailed(f"`{' '.join(map(str, argv))}` ended with {code}: "
                            f"{complaint.strip() or output.strip()}")
    return output


def attempt(*argv, stdin=None, timeout_s=60):
    """Runs argv and returns (exit code, standard output, standard error), whatever the code."""
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
    return done.returncode, done.stdout, done.stderr
