"""What a directory says of an address: what it is asked, how its entries are read, and who gets the mail. No I/O."""
