import { type DataSource, LessThan, MoreThan, type FindOptionsWhere } from 'typeorm';
import { AuditEvent } from './audit-event.entity';
import { Commitments } from './commitments';

export interface EventFilter {
  /** Events before this id, for the next page. */
  readonly before?: string | undefined;
  /** Events after this id, oldest first: what `tail` asks for. */
  readonly after?: string | undefined;
  readonly subjectId?: string | undefined;
  readonly actor?: string | undefined;
  readonly correlation?: string | undefined;
  /** At most this many. */
  readonly limit: number;
}

/** An event as somebody who may read the record sees it. */
export interface RecordedEvent {
  readonly id: string;
  readonly leafHash: string;
  /** The canonical members, parsed. */
  readonly members: Readonly<Record<string, string>>;
  /** What the commitments among the members stand for; absent when erased. */
  readonly opened: Readonly<Record<string, string>>;
}

/** The members that are commitments. */
const COMMITTED = ['reason', 'address'] as const;

/** Reads the record. */
export class AuditEvents {
  constructor(
    private readonly database: DataSource,
    private readonly commitments: Commitments,
  ) {}

  /** Newest first, unless `after` is given: then oldest first. */
  async list(filter: EventFilter): Promise<RecordedEvent[]> {
    const where: FindOptionsWhere<AuditEvent> = {
      ...(filter.before === undefined ? {} : { id: LessThan(filter.before) }),
      ...(filter.after === undefined ? {} : { id: MoreThan(filter.after) }),
      ...(filter.subjectId === undefined ? {} : { subjectId: filter.subjectId }),
      ...(filter.actor === undefined ? {} : { actor: filter.actor }),
      ...(filter.correlation === undefined ? {} : { correlation: filter.correlation }),
    };
    const events = await this.database.manager.find(AuditEvent, {
      where,
      order: { id: filter.after === undefined ? 'DESC' : 'ASC' },
      take: filter.limit,
    });
    return this.opened(events);
  }

  private async opened(events: readonly AuditEvent[]): Promise<RecordedEvent[]> {
    const parsed = events.map((event) => ({
      event,
      members: JSON.parse(event.canonical.toString('utf8')) as Record<string, string>,
    }));
    const wanted = parsed.flatMap(({ members }) => COMMITTED.flatMap((name) => members[name] ?? []));
    const values = await this.commitments.show(
      this.database.manager,
      wanted.map((text) => Buffer.from(hexOf(text), 'hex')),
    );
    return parsed.map(({ event, members }) => ({
      id: event.id,
      leafHash: event.leafHash.toString('hex'),
      members,
      opened: Object.fromEntries(
        COMMITTED.flatMap((name) => {
          const value = values.get(hexOf(members[name] ?? ''));
          return value === undefined ? [] : [[name, value]];
        }),
      ),
    }));
  }
}

/** The database writes a bytea column as `\x…`, a setting as plain hex. */
const hexOf = (text: string): string => text.replace(/^\\x/, '');
