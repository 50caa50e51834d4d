"""What touches the world: the activities. They know the rules, the store and the channels, not who starts them."""
