import { createHash, randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';
import type { Account } from './registry.js';

/** A registry with one image under every name, which it gives only to those who fetched a token, as Docker's own does. */
export interface TokenRegistry extends AsyncDisposable {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  /** What came with requests that showed no token; empty for nothing. */
  readonly shown: ReadonlySet<string>;
}

const TYPE = 'application/vnd.docker.distribution.manifest.v2+json';
const digest = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export interface TokenRegistryOptions {
  /** The only one that gets a token; everybody does by default. */
  readonly account?: Account;
  /** How long the image's layer takes, in milliseconds. */
  readonly layerMs?: number;
}

export async function startTokenRegistry({ account, layerMs = 0 }: TokenRegistryOptions = {}): Promise<TokenRegistry> {
  const blobs = await createBlobs();
  const shown = new Set<string>();
  const expected = account ? basic(account) : undefined;
  const server = createServer((request, response) => {
    const { method, url = '', headers } = request;
    if (headers.authorization !== 'Bearer given') shown.add(headers.authorization ?? '');
    if (url.startsWith('/token')) {
      if (expected !== undefined && headers.authorization !== expected) response.writeHead(401).end();
      else response.end(JSON.stringify({ token: 'given', access_token: 'given', expires_in: 300 }));
      return;
    }
    if (headers.authorization !== 'Bearer given') {
      response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${headers.host ?? ''}/token",service="here"` }).end();
      return;
    }
    const blob = blobs.found.get(url.slice(url.lastIndexOf('/') + 1));
    const bytes = blob ?? blobs.manifest;
    response.writeHead(200, { 'content-type': blob ? 'application/octet-stream' : TYPE, 'docker-content-digest': digest(bytes), 'content-length': bytes.length });
    if (method === 'HEAD') response.end();
    else if (bytes === blobs.layer) setTimeout(() => { response.end(bytes); }, layerMs);
    else response.end(bytes);
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, shown, [Symbol.asyncDispose]: () => close(server) };
}

/** How HTTP shows a username and a password. */
export const basic = ({ username, password }: Account): string => `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

interface Blobs { readonly manifest: Buffer; readonly layer: Buffer; readonly found: ReadonlyMap<string, Buffer> }

/** An image whose layer no engine has yet. */
async function createBlobs(): Promise<Blobs> {
  const tar = pack();
  tar.entry({ name: 'content' }, randomBytes(16).toString('hex'));
  tar.finalize();
  const layer = await buffer(tar);
  const packed = gzipSync(layer);
  const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: { Cmd: ['/nothing'] }, rootfs: { type: 'layers', diff_ids: [digest(layer)] } }));
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: TYPE,
    config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: config.length, digest: digest(config) },
    layers: [{ mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip', size: packed.length, digest: digest(packed) }],
  }));
  return { manifest, layer: packed, found: new Map([[digest(config), config], [digest(packed), packed]]) };
}

const close = (server: Server) => new Promise<void>((resolve) => { server.close(() => { resolve(); }); server.closeAllConnections(); });
