"""The composer: a form and its YAML text, in step.

`composition` is the text and its data, without a page; `form` binds fields to it; the other modules build the four
steps of them; `page` puts the YAML text beside them.
"""
