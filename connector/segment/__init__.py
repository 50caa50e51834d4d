"""What a message of Segment's public protocol becomes here. Pure: no clock, no store, nothing read but the mapping."""
