"""What would become of a message: the decisions of live mail, taken for a message that nobody sends."""
