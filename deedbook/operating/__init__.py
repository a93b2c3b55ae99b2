"""What those who run the market look at and decide: books, reserves, failures, freezes and fees."""
