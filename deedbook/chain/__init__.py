"""What the chain says, brought into the tables, and what follows from it."""
