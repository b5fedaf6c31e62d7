"""Report: what senders are told, and where messages end that nobody can be told of."""
