import type { KeptCredentials } from '../state/kept-credentials';
import type { PrivateFolder } from '../state/private-files';
import type { LastService } from '../state/profile';
import type { Address } from './address';
import type { Api } from './api';
import type { Http } from './http';
import type { Session } from './session';
import type { Upkeep } from './upkeep';

/** One profile at one service, and what is kept here of it. */
export interface Connection {
  readonly address: Address;
  readonly last: LastService;
  readonly http: Http;
  readonly session: Session;
  readonly api: Api;
  readonly folder: PrivateFolder;
  readonly kept: KeptCredentials;
  readonly upkeep: Upkeep;
}
