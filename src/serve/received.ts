import { IncomingMessage } from 'node:http';

/**
 * A request as node:http reads it, but for one thing: of the protocols that a client offers to switch to, only
 * WebSocket is taken up, asked for with GET (RFC 6455 section 4.1), and any other offer is ignored as a server may (RFC
 * 9110 section 7.8, faults G33).
 *
 * Once somebody listens for upgrades, node:http takes each offer up, and with it the body away from the parser; it
 * asks the property below whether to.
 */
export class Received extends IncomingMessage {
  private offered: boolean | null | undefined;

  set upgrade(offered: boolean | null) { this.offered = offered; }

  get upgrade(): boolean {
    return this.offered === true && (this.method === 'CONNECT' || (this.method === 'GET' && isWebSocket(this.headers.upgrade)));
  }

  /** The parser does not read what comes behind such a request: its answer must end the connection. */
  get ignoresOffer(): boolean {
    return this.offered === true && !this.upgrade;
  }
}

const isWebSocket = (protocol: string | undefined): boolean => protocol?.toLowerCase() === 'websocket';
