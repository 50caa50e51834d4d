"""Translate messages of Segment's protocol into interactions, events and user changes.

Pure; imports `rules` and `definitions`.
"""
