import type { AccessRequest } from '../service/shapes';
import { table } from '../terminal/table';
import type { Terminal } from '../terminal/terminal';
import { relative } from '../terminal/times';
import { durationWords, requestStateCell, short } from './words';

/** Requests, one a line. */
export function requestTable(
  items: readonly AccessRequest[],
  { terminal, now, empty = 'No requests.' }: { terminal: Terminal; now: number; empty?: string },
): string[] {
  if (items.length === 0) return [empty];
  return table(
    [
      { title: 'ID' },
      { title: 'WHO', shrinkTo: 6 },
      { title: 'WHAT', shrinkTo: 12 },
      { title: 'FOR' },
      { title: 'STATE' },
      { title: 'WHEN' },
      { title: 'REASON', shrinkTo: 8 },
    ],
    items.map((request) => [
      { text: short(request.id), colour: 'bold' },
      request.requester.name,
      request.entitlements.join(', '),
      durationWords(request.durationSeconds),
      requestStateCell(request),
      request.state === 'pending'
        ? `lapses ${relative(request.lapsesAt, now)}`
        : relative(request.decidedAt ?? request.createdAt, now),
      request.reason ?? '',
    ]),
    { paint: terminal.paint, width: terminal.width },
  );
}
