"""The pages of the console, one module for each; `starter.console.pages.registry` lists them."""
