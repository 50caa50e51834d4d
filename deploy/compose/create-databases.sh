#!/bin/sh
# Runs once, in the new PostgreSQL of compose.yaml: a role and a database for the connector, a role for Temporal.
set -eu
psql --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" \
  --set connector="$(cat /run/secrets/connector-db-password)" --set temporal="$TEMPORAL_DB_PASSWORD" <<'SQL'
CREATE ROLE connector LOGIN PASSWORD :'connector';
CREATE DATABASE connector OWNER connector;
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'temporal';
SQL
