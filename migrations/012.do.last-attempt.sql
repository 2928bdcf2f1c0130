-- What an end that is not proven yet has come to: { "at": …, "steps": …, "checks": … }, of all attempts so far what was done, and
-- of the last one what was seen. What was done goes into the evidence when the end is proven.
ALTER TABLE grants ADD COLUMN last_attempt jsonb CHECK (last_attempt IS NULL OR state IN ('ending', 'stuck'));
GRANT UPDATE (last_attempt) ON grants TO curfew_worker;

-- How often its holder asked for another one in its place: each time is an event, which says who, and from where.
ALTER TABLE credentials ADD COLUMN replacements_asked integer NOT NULL DEFAULT 0;
GRANT SELECT (replacements_asked), UPDATE (replacements_asked) ON credentials TO curfew_api;
CALL audit_table('credentials', 'credential', 'grant', 'grant_id', 'version', 'version', 'refusedPickUps', 'refused_pick_ups',
  'replacementsAsked', 'replacements_asked');
