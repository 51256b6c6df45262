"""What clients see: routes, schemas, content negotiation, problem details, OpenAPI."""
