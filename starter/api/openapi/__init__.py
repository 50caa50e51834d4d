"""The OpenAPI document: schemas, responses and examples."""
