-- Grants that have ended and left something behind: few, among all that have ended. They are counted each time that somebody
-- looks, and asked for before a target's connection changes.
CREATE INDEX grants_leftovers ON grants (target_id, ended_at) WHERE state = 'ended' AND leftovers <> '[]';
