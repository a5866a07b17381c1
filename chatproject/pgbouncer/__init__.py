"""Django's PostgreSQL backend for connections that another program pools, such as pgbouncer in transaction mode."""
