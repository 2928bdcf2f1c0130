-- Work knows its target: one that is slow or dead takes no more than its share of the workers.

ALTER TABLE operations ADD COLUMN target_id uuid;
UPDATE operations o SET target_id = g.target_id FROM grants g WHERE g.id = o.subject_id AND o.kind <> 'reevaluate';
UPDATE operations o SET target_id = s.target_id FROM strays s WHERE s.id = o.subject_id AND o.kind = 'remove';
-- Judging again touches no target.
ALTER TABLE operations ADD CONSTRAINT operations_target CHECK ((kind = 'reevaluate') = (target_id IS NULL));

-- What is due, target by target, ends apart from everything else: however much waits for one of them, the others are found
-- without reading it. The zeros stand for no target.
CREATE INDEX operations_due_of_target ON operations
  (coalesce(target_id, '00000000-0000-0000-0000-000000000000'), (kind = 'end'), greatest(run_after, lease_ends_at))
  WHERE finished_at IS NULL;
DROP INDEX operations_due;
