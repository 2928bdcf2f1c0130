import { isIP } from 'node:net';
import { z } from 'zod';

/** PostgreSQL cuts names at 63 bytes, and what was cut may collide. */
const MAX_NAME_BYTES = 63;
const HOST = /^[A-Za-z0-9]([A-Za-z0-9._:-]*[A-Za-z0-9])?$/;

const name = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\0'), 'must not contain NUL')
  .refine((text) => Buffer.byteLength(text) <= MAX_NAME_BYTES, `must not be longer than ${MAX_NAME_BYTES} bytes`);

/** A role that people made: not one of the server's own, and none of the words that SQL keeps for itself. */
const role = name
  .refine((text) => !text.startsWith('pg_'), 'must not be one of the server’s own roles (pg_…)')
  .refine((text) => !['public', 'none'].includes(text), 'is a word of SQL, not a role');

const host = z.string().max(253).regex(HOST, 'must be a host name or an IP address');

const tls = z.discriminatedUnion('mode', [
  z.strictObject({
    mode: z.literal('verify-full'),
    ca: z
      .string()
      .max(65_536)
      .regex(/^-----BEGIN CERTIFICATE-----$/m, 'must be PEM')
      .optional()
      .describe('Who may sign the server’s certificate, as PEM. Without it: the public authorities.'),
    serverName: host
      .refine((text) => isIP(text) === 0, 'must be a host name')
      .optional()
      .describe('The name in the certificate, where `host` is an IP address.'),
  }),
  z.strictObject({
    mode: z.literal('disable').describe('No TLS: everybody on the way sees and can change everything.'),
  }),
]);

/** How to reach a PostgreSQL server, and as whom. */
export const postgresConnection = z
  .strictObject({
    host: host.describe('Host name or IP address, for Curfew and for those who get access.'),
    port: z.int().min(1).max(65_535).default(5432),
    database: name.default('postgres').describe('The database that Curfew itself enters to manage roles.'),
    user: role.describe('Curfew’s own account.'),
    tls: tls.default({ mode: 'verify-full' }),
    objectsOwner: role.describe(
      'Gets what a grant’s holder made, when the grant ends: a role without login and rights.',
    ),
    acceptCreateroleOn15: z
      .literal(true)
      .optional()
      .describe('Accepts that on PostgreSQL 15 Curfew’s account is as good as a superuser.'),
  })
  .refine(({ user, objectsOwner }) => user !== objectsOwner, {
    path: ['objectsOwner'],
    message: 'must be another role than `user`',
  })
  .refine(({ host, tls }) => tls.mode === 'disable' || tls.serverName === undefined || isIP(host) !== 0, {
    path: ['tls', 'serverName'],
    message: 'is for a `host` that is an IP address: clients can check no other combination',
  });

/** What may be asked for: to be in one group role, in one database. */
export const postgresEntitlement = z.strictObject({
  database: name.describe('The database to connect to.'),
  groupRole: role.describe('The role whose rights the grant lends. It is yours: Curfew does not make it.'),
  connectionLimit: z.int().min(1).max(100).default(5).describe('Sessions at the same time.'),
});

export type PostgresConnection = z.infer<typeof postgresConnection>;
export type PostgresEntitlement = z.infer<typeof postgresEntitlement>;
