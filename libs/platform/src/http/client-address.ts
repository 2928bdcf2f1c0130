import { isIP } from 'node:net';
import type { Request } from 'express';
import ipaddr from 'ipaddr.js';

/**
 * Where a request comes from, as plain IPv4 or IPv6: the other end of the connection, or, when that is a trusted proxy, whom
 * the proxy names. `undefined` when a trusted proxy names something that is no address.
 */
export function clientAddress({ ip }: Pick<Request, 'ip'>): string | undefined {
  return ip !== undefined && isIP(ip) !== 0 ? ipaddr.process(ip).toString() : undefined;
}
