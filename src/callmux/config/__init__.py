"""The configuration: a JSON file becomes frozen objects. Only `load` and `secrets` touch files.

`kinds` says what a single value may be, `section` what a group of keys is, `servers`, `security`, `traffic`,
`results`, `recipes` and `observing` hold the groups, `model` the root. `check` walks over all of them and
reports every error at once; `variables` fills in `${VAR}`; `schema` describes it all to editors.
"""
