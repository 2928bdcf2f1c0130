import { AppError } from '@app/kernel';

/** One page of a list, newest first. */
export interface Page<T> {
  readonly items: readonly T[];
  /** For the next page; absent on the last one. */
  readonly nextCursor?: string;
}

/** Where a list goes on: after this row. */
export interface Cursor {
  readonly createdAt: string;
  readonly id: string;
}

export class InvalidCursor extends AppError {
  constructor() {
    super({
      kind: 'invalid',
      code: 'access.invalid_cursor',
      message: 'the cursor is none that a list gave out',
      advice: 'Start without a cursor, and pass on `nextCursor` as it is.',
    });
  }
}

const SHAPE = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z) ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** @throws InvalidCursor */
export function parseCursor(text: string | undefined): Cursor | undefined {
  if (text === undefined) return undefined;
  const [, createdAt, id] = SHAPE.exec(Buffer.from(text, 'base64url').toString('utf8')) ?? [];
  if (createdAt === undefined || id === undefined || !isInstant(createdAt)) throw new InvalidCursor();
  return { createdAt, id };
}

/** A day that there is, in a year that the database has too. */
function isInstant(text: string): boolean {
  const milliseconds = Date.parse(text);
  return !Number.isNaN(milliseconds) && new Date(milliseconds).toISOString() === text && !text.startsWith('0000');
}

/** Cuts a page out of one row more than fits. */
export function pageOf<T extends { id: string; createdAt: Date }>(rows: readonly T[], limit: number): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  if (rows.length <= limit || !last) return { items };
  const nextCursor = Buffer.from(`${last.createdAt.toISOString()} ${last.id}`, 'utf8').toString('base64url');
  return { items, nextCursor };
}
