-- Every e-mail address that sign-ins have ever shown for somebody, in lower case, verified or not. Two accounts that had the
-- same at any time are one person's when somebody else is needed, whatever address either has later: whoever may edit their
-- own address could be somebody else for a moment.
CREATE TABLE identity_addresses (
  identity_id uuid NOT NULL REFERENCES identities,
  address text NOT NULL CHECK (length(address) BETWEEN 3 AND 320),
  PRIMARY KEY (identity_id, address)
);
CREATE INDEX identity_addresses_address ON identity_addresses (address);
INSERT INTO identity_addresses (identity_id, address) SELECT id, lower(email) FROM identities WHERE email IS NOT NULL;

CREATE FUNCTION remember_address() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO identity_addresses (identity_id, address) VALUES (NEW.id, lower(NEW.email)) ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER remember_address AFTER INSERT OR UPDATE OF email ON identities
  FOR EACH ROW WHEN (NEW.email IS NOT NULL) EXECUTE FUNCTION remember_address();

DROP INDEX identities_email;
GRANT SELECT, INSERT ON identity_addresses TO curfew_api;
GRANT SELECT ON identity_addresses TO curfew_worker;
