"""The protocol logs: what was said on connections, in the forms of the predecessor and as JSON."""
