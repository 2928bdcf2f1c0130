-- The server on which a stray was found, as that server says it is: where else it is not there, nothing is shown. What bears
-- one name on two servers is two things. (Of those that are known already nobody noted it.)
ALTER TABLE strays ADD COLUMN found_on text CHECK (length(found_on) BETWEEN 1 AND 255);
DROP INDEX strays_open;
CREATE UNIQUE INDEX strays_open ON strays (target_id, grant_id, found_on) NULLS NOT DISTINCT WHERE state IN ('found', 'removing');
