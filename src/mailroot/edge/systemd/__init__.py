"""What systemd and a service that it started say to each other, without its library."""
