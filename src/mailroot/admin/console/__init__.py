"""The console: pages for people, made on the server, on the operations that REST and the command line have."""
