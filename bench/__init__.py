"""Mailroot and Debian's Postfix side by side on one machine, in one run."""
