"""Mailroot: the SMTP service for applications."""

__version__ = "0.1.0"
