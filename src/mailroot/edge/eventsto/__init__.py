"""Places of the system to which events go besides the event log."""
