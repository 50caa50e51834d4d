"""When things happen: the workflows. They import the rules and call activities by `workflows.steps`."""
