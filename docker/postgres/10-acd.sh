#!/bin/bash
# Once, when the database is made: the service is its owner, and nobody's superuser.
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'END'
\set password `cat /run/secrets/db_acd`
CREATE ROLE acd LOGIN PASSWORD :'password';
CREATE DATABASE acd OWNER acd ENCODING 'UTF8' TEMPLATE template0;
REVOKE ALL ON DATABASE acd FROM PUBLIC;
END
