"""What became of a message: its story, put together from the events of the trace."""
