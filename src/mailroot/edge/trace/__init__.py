"""The trace: the events of messages and sessions, kept for a time and found in an instant."""
