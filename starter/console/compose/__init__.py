"""The composer: a form and its YAML text, in step.

`composition` is the text and its data, without a page; `form` binds fields to it; `steps` builds the four steps of them;
`editor` puts the YAML text beside them.
"""
