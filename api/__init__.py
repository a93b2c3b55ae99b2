"""JSON routes as values: what a room offers over HTTP, who calls it, and what goes wrong in words."""
