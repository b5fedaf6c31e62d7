"""What operators look into: folders of messages, messages themselves, and the past. It is read aside (`edge.aside`)."""
