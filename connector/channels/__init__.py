"""Send messages to providers: one module per channel or provider, behind the small protocol in `protocol`.

To add one, write its module and register it in `registry`. Imports `rules`, `settings`, `tracking` and `store`.
"""
