"""What keeps the market in order: phases and their schedules, bands, limits, kill switches."""
