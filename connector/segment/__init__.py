"""Translates messages of Segment's protocol into interactions and user changes.

Pure; imports `rules` and `definitions`.
"""
