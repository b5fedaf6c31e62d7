"""Tongues: the syntax and the state machines of SMTP, without I/O."""
