import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { errorCode } from '../kernel/error-code.js';
import type { ClientOptions } from './client.js';
import { wrongUsage } from './failure.js';

/** What the surroundings say; flags win over all of it. */
export interface ConnectionSettings {
  /** `SLIPWAY_SERVER` */
  readonly server: string | undefined;
  /** `SLIPWAY_TOKEN` */
  readonly token: string | undefined;
  /** `SLIPWAY_STATE_DIR` */
  readonly stateDir: string | undefined;
  /** Where a server that was told nothing keeps its state. */
  readonly defaultStateDir: string;
}

/** As commander gives them. */
export interface ConnectionOptions {
  readonly server?: string;
  readonly token?: string;
  readonly stateDir?: string;
}

const DEFAULT_SERVER = 'http://localhost:3000';
const LOOPBACK = /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Gives a command the options that say which server it is for. */
export function withConnection(command: Command): Command {
  return command
    .option('--server <url>', `the server (default: SLIPWAY_SERVER, or ${DEFAULT_SERVER})`)
    .option('--token <token>', 'the token for changes; others can read arguments, so rather set SLIPWAY_TOKEN')
    .option('--state-dir <dir>', 'the server’s state directory on this machine, whose token is used where none is set');
}

/** Which server, and with which token. @throws CommandFailure where that cannot be */
export function readConnection({ server, token, stateDir }: ConnectionOptions, settings: ConnectionSettings): Pick<ClientOptions, 'server' | 'token' | 'tokenNote'> {
  const url = readServer(server ?? settings.server ?? DEFAULT_SERVER);
  const named = token ?? settings.token;
  if (named !== undefined) return { server: url, token: readToken(named), tokenNote: `The token came from ${token === undefined ? 'SLIPWAY_TOKEN' : '--token'}.` };
  return { server: url, ...keptToken(url, stateDir ?? settings.stateDir, settings) };
}

function readServer(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') throw wrongUsage(`“${text}” is not a server: write ${DEFAULT_SERVER}.`);
  if (url.username !== '' || url.password !== '') throw wrongUsage('The server’s URL names a user or a password: leave them away, and set SLIPWAY_TOKEN.');
  return url;
}

function readToken(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text)) throw wrongUsage('The token is empty, or holds blanks or letters that no token has.');
  return text;
}

/** What the server left in its state directory. That of this machine is for its own server: a `--server` elsewhere must not learn it. */
function keptToken(server: URL, named: string | undefined, { defaultStateDir }: ConnectionSettings): Pick<ClientOptions, 'token' | 'tokenNote'> {
  const path = join(named ?? defaultStateDir, 'token');
  const kept = readKept(path);
  const other = 'set SLIPWAY_TOKEN, or name the server’s state directory with --state-dir.';
  if (kept.token === undefined) return { token: undefined, tokenNote: `No token was sent, as ${path} ${kept.fault}: ${other}` };
  if (named === undefined && !LOOPBACK.test(server.hostname)) return { token: undefined, tokenNote: `No token was sent, as the one in ${path} is for localhost: ${other}` };
  return { token: readToken(kept.token), tokenNote: `The token came from ${path}: ${other}` };
}

function readKept(path: string): { readonly token: string } | { readonly token: undefined; readonly fault: string } {
  try {
    return { token: readFileSync(path, 'utf8').trim() };
  } catch (error) {
    return { token: undefined, fault: errorCode(error) === 'ENOENT' ? 'is not there' : `cannot be read (${errorCode(error)})` };
  }
}
