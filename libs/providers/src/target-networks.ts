import { lookup, type LookupAddress, type LookupOptions } from 'node:dns';
import { isIP, Socket, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** The name or the address of a target leads where no target may be. */
export class AddressNotAllowed extends Error {
  constructor(
    readonly address: string,
    /** What kind of address it is: `loopback`, `linkLocal`, `metadata`, … */
    readonly network: string,
  ) {
    super(`the host leads to ${address} (${network}), where no target may be`);
    this.name = 'AddressNotAllowed';
  }
}

/** In these there may be targets without a word: what can be reached from elsewhere, and private networks. */
const ORDINARY: ReadonlySet<string> = new Set(['unicast', 'private', 'uniqueLocal', 'carrierGradeNat']);

// Ordinary addresses at which clouds hand out credentials to whoever asks; 169.254.169.254 is link-local as it is.
const METADATA = [
  'fd00:ec2::254', // AWS
  'fd20:ce::254', // Google Cloud
  '100.100.100.200', // Alibaba Cloud
  '168.63.129.16', // Azure
  '192.0.0.192', // Oracle Cloud
].map((address) => ipaddr.parse(address).toNormalizedString());

/** RFC 6052: the last four bytes are the IPv4 address that is meant. */
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96');

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Resolve = (host: string, options: LookupOptions & { all: true }, answer: Answer) => void;
type Answer = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/**
 * Where targets may be. A target's host is a word of whoever connects it, and it is Curfew that goes there, from inside:
 * loopback, link-local and metadata addresses, and what is no address of one machine, are refused unless they were named.
 */
export class TargetNetworks {
  readonly #allowed: readonly [Address, number][];
  readonly #resolve: Resolve;

  /**
   * @param allowed addresses and CIDRs in which there may be targets although they are refused otherwise
   * @param resolve who knows the addresses of a name
   */
  constructor(allowed: readonly string[] = [], resolve: Resolve = lookup) {
    this.#allowed = allowed.map((entry) => {
      const [address = '', bits] = entry.split('/');
      const parsed = ipaddr.parse(address);
      return bits === undefined ? [parsed, parsed.kind() === 'ipv4' ? 32 : 128] : [parsed, Number(bits)];
    });
    this.#resolve = resolve;
  }

  /** Why there must be no target at this address; `undefined` where there may be one. */
  refusal(address: string): AddressNotAllowed | undefined {
    const parsed = ipaddr.process(address);
    const network = networkOf(parsed);
    return ORDINARY.has(network) || this.#isNamed(parsed) ? undefined : new AddressNotAllowed(address, network);
  }

  #isNamed(address: Address): boolean {
    return this.#allowed.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
  }

  /**
   * A socket that connects nowhere else: a name is resolved once, and what was judged is what it connects to, whatever
   * the name's servers say a moment later. Of several addresses of one name those that are refused are left out.
   */
  socket(): Socket {
    return new JudgedSocket(this);
  }

  /** As `lookup` of `node:dns`, but without the addresses that are refused. */
  readonly lookup: LookupFunction = (host, options, done) => {
    this.#resolve(host, { ...options, all: true }, (error, addresses) => {
      const refusals = error ? [] : addresses.map(({ address }) => this.refusal(address));
      const allowed = error ? [] : addresses.filter((_, index) => refusals[index] === undefined);
      const [first] = allowed;
      if (error || !first) return done(error ?? refusals[0] ?? new Error('a name without addresses'), []);
      return options.all ? done(null, allowed) : done(null, first.address, first.family);
    });
  };
}

/** Also of the IPv4 address that an IPv6 address stands for. */
function networkOf(address: Address): string {
  if (METADATA.includes(address.toNormalizedString())) return 'metadata';
  if (!(address instanceof ipaddr.IPv6)) return address.range();
  const bytes = address.toByteArray();
  const inside = new ipaddr.IPv4(bytes.slice(12));
  if (address.match(NAT64)) return networkOf(inside);
  const isCompatible = bytes.slice(0, 12).every((byte) => byte === 0) && address.range() === 'unicast';
  return isCompatible ? networkOf(inside) : address.range();
}

class JudgedSocket extends Socket {
  readonly #networks: TargetNetworks;

  constructor(networks: TargetNetworks) {
    super();
    this.#networks = networks;
  }

  /** As drivers call it: with a port and a host. A path, the socket of a program on this machine, is none. */
  override connect(...[port, host]: unknown[]): this {
    if (typeof port !== 'number' || typeof host !== 'string' || host === '')
      return this.destroy(new AddressNotAllowed('a socket of this machine', 'local'));
    const refusal = isIP(host) === 0 ? undefined : this.#networks.refusal(host);
    if (refusal) return this.destroy(refusal);
    // Node asks `lookup` for names alone, and each time that it connects.
    return super.connect({ port, host, lookup: this.#networks.lookup, autoSelectFamily: true });
  }
}
