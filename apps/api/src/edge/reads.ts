import { Injectable } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';

/** How a read reaches the database. */
@Injectable()
export class Reads {
  constructor(private readonly database: DataSource) {}

  run<T>(work: (manager: EntityManager) => Promise<T>): Promise<T> {
    return work(this.database.manager);
  }
}
