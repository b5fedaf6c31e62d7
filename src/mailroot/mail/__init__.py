"""Words: the frozen values that every ring speaks of. Nothing here knows a socket, a file or a clock."""
