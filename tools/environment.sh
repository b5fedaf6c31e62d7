# Sourced by ./mailroot and ./check: finds a Python and makes a virtual environment from a hashed requirements file.
# The environment's stamp is a copy of that file, written last: an interrupted or outdated installation is redone.

say() { printf 'mailroot: %s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 69 # EX_UNAVAILABLE of sysexits.h
}

# Prints the first Python that is new enough; MAILROOT_PYTHON names one to try first. The system's own comes before what
# else is on the path: distributions build theirs optimised, which a Python built by hand rarely is (a third slower).
find_python() {
    system=${MAILROOT_SYSTEM_PYTHON-/usr/bin/python3}
    [ -n "$system" ] && can_make_environments "$system" || system=
    for candidate in "${MAILROOT_PYTHON-}" "$system" python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    fail "no Python 3.11 or newer was found. Install one (Debian 12 and Ubuntu 24.04 or newer:" \
        "apt-get install python3 python3-venv), or name one: MAILROOT_PYTHON=/path/to/python3"
}

can_make_environments() { # PYTHON
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

environment_is_ready() { # FOLDER REQUIREMENTS
    [ -x "$1/bin/python" ] && cmp -s "$2" "$1/requirements.installed"
}

# Makes or renews the virtual environment FOLDER so that it holds REQUIREMENTS; all output goes to standard error.
make_environment() { # FOLDER REQUIREMENTS
    python=$(find_python) || exit
    can_make_environments "$python" ||
        fail "$python cannot make virtual environments (Debian and Ubuntu: apt-get install python3-venv)"
    # The lock belongs to descriptor 9, which this shell keeps until the function ends, whatever ends it.
    {
        "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
        environment_is_ready "$1" "$2" && return 0
        say "installing Python packages into $1 (once)"
        "$python" -m venv --clear "$1" >&2 &&
            "$1/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --prefer-binary \
                --require-hashes -r "$2" >&2 &&
            cp "$2" "$1/requirements.installed" ||
            fail "the installation into $1 failed; it is repeated at the next call. The reason stands above."
    } 9>"$1.lock"
}
