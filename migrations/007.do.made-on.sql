-- The server on which a grant is made, as that server says it is: known before anything is made there, so that an answer
-- that was lost is not looked for on another one.
ALTER TABLE grants ADD COLUMN made_on text CHECK (length(made_on) BETWEEN 1 AND 255);
UPDATE grants g SET made_on = it.server FROM (
  SELECT DISTINCT ON (grant_id) grant_id, left(body ->> 'server', 255) AS server FROM evidence
  WHERE kind = 'issue' AND body ->> 'server' <> '' ORDER BY grant_id, id DESC) AS it
WHERE it.grant_id = g.id;
GRANT UPDATE (made_on) ON grants TO curfew_worker;
