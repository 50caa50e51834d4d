"""The request of each operation; a module is named like the module of the operations."""
