"""The composition root: settings, processes and embedded servers; hands each room its neighbours' functions."""
