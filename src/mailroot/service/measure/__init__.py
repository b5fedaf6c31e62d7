"""What the service knows of itself in numbers: counting, looking through the queue, showing the figures."""
