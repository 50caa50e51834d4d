"""How messages leave: one module a channel or provider, behind the protocol of `connector.channels.protocol`."""
