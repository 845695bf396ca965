DROP TABLE sessions, api_keys, users, tenants;
